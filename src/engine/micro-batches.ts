// How a batch is taken in parts where it does not fit the memory: which rows, and how their gradients become that of
// the whole. Every row has the same number of tokens, so that what is weighted by rows is weighted by tokens.

export interface MicroBatch {
  /** Its rows of the batch: [first, first + rows). */
  readonly first: number
  readonly rows: number
  /** Its share of the rows up to its own last one: 1 for the first micro-batch. */
  readonly weight: number
}

/**
 * The fewest parts of at most `most` rows, as even as they can be: the last may be smaller.
 * @param rows of the whole batch
 */
export function microBatches(rows: number, most: number): MicroBatch[] {
  const parts = Math.ceil(rows / Math.min(rows, most))
  const size = Math.ceil(rows / parts)
  return Array.from({ length: Math.ceil(rows / size) }, (_, i) => {
    const first = i * size
    const end = Math.min(rows, first + size)
    return { first, rows: end - first, weight: (end - first) / end }
  })
}

/** The distinct sizes of a batch's parts, the larger first: each is a program of its own where programs are compiled. */
export function microBatchSizes(rows: number, most: number): number[] {
  return [...new Set(microBatches(rows, most).map((part) => part.rows))]
}

/** The tokens of a micro-batch, without a copy; rows are `length` long. */
export function tokensOf(tokens: Int32Array, { first, rows }: MicroBatch, length: number): Int32Array {
  return tokens.subarray(first * length, (first + rows) * length)
}

/**
 * The mean over the rows so far, once a micro-batch is added. A running mean needs no scaling at the end, and is as
 * large as its terms: a sum might not be.
 */
export function runningMean(mean: number, value: number, { weight }: MicroBatch): number {
  return mean + weight * (value - mean)
}

/**
 * The mean over a batch of what is computed of its parts, one after another.
 * @param tokens rows of `length`, flat
 */
export async function meanOverParts(
  tokens: Int32Array,
  length: number,
  most: number,
  compute: (tokens: Int32Array, rows: number) => Promise<number>,
): Promise<number> {
  let mean = 0
  for (const part of microBatches(tokens.length / length, most)) {
    mean = runningMean(mean, await compute(tokensOf(tokens, part, length), part.rows), part)
  }
  return mean
}
