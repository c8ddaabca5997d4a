// The fragments of a run: which stretch of the parameters a contribution is of, where it is not of all of them.

/** A stretch of the flat parameter vector: [start, end). */
export interface Fragment {
  readonly start: number
  readonly end: number
}

/** Fragments begin at multiples of it: kernels go over them in whole SIMD vectors. Codecs begin their blocks anew. */
const unit = 4

/** More would leave one without a value. */
export const mostFragments = (parameters: number): number => Math.ceil(parameters / unit)

/**
 * Fragments of nearly equal sizes, so that no contribution is larger than the others. As the flat vector holds the
 * layers' matrices one after another, each is of consecutive layers, but for the small vectors of all layers, which
 * come last.
 *
 * @param count of fragments in all; mostFragments at most
 * @param index in [0, count)
 */
export function fragmentAt(parameters: number, count: number, index: number): Fragment {
  const units = mostFragments(parameters)
  if (!(index >= 0 && index < count && count <= units))
    throw new Error(`${parameters} parameters in ${count} fragments have no fragment ${index}`)
  const border = (at: number) => Math.min(parameters, Math.floor((units * at) / count) * unit)
  return { start: border(index), end: border(index + 1) }
}

export const lengthOf = ({ start, end }: Fragment): number => end - start

/** All parameters as one fragment. */
export const wholeVector = ({ length }: Float32Array): Fragment => ({ start: 0, end: length })
