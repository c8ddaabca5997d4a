// Arithmetic on flat fp32 vectors, in a fixed order, so that every machine gets the same bits.

/** a - b, elementwise, rounded to fp32. */
export function subtract(a: Float32Array, b: Float32Array): Float32Array {
  if (a.length !== b.length) throw new Error(`cannot subtract ${b.length} elements from ${a.length}`)
  const difference = new Float32Array(a.length)
  for (let i = 0; i < a.length; i++) difference[i] = a[i] - b[i]
  return difference
}

/** Euclidean norm, summed in float64 from first to last: squares of finite fp32 values cannot overflow it. */
export function norm(values: Float32Array): number {
  let squares = 0
  for (let i = 0; i < values.length; i++) squares += values[i] * values[i]
  return Math.sqrt(squares)
}

/** Index of the first element that is NaN or infinite; -1 if all are finite. */
export function firstNonFinite(values: Float32Array): number {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return i
  return -1
}
