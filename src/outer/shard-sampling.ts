// Which shard an idle worker gets, Eq. 2: the further a shard is behind its share, the likelier.

/**
 * p_i proportional to max(|D_i| / sum |D_j| - n_i / sum n_j, 0) (Eq. 2); by size alone when nothing is consumed
 * yet or no shard is behind its share.
 *
 * @param sizes |D_i|, in any unit
 * @param consumed n_i, data points of each shard assigned so far, in any unit
 */
export function probabilities(sizes: readonly number[], consumed: readonly number[]): number[] {
  const allSizes = sum(sizes)
  const allConsumed = sum(consumed)
  // Over the common denominator the terms are whole numbers: equal shares differ by 0, not by a rounding error.
  const behind = sizes.map((size, i) => Math.max(size * allConsumed - consumed[i] * allSizes, 0))
  const allBehind = sum(behind)
  return allBehind > 0 ? behind.map((value) => value / allBehind) : sizes.map((size) => size / allSizes)
}

/**
 * The shard that a uniform number in [0, 1) falls on; never one of probability 0.
 *
 * @param probabilities at least one above 0; they sum to 1 up to rounding
 */
export function draw(probabilities: readonly number[], uniform: number): number {
  let cumulative = 0
  for (const [shard, probability] of probabilities.entries()) {
    cumulative += probability
    if (uniform < cumulative) return shard
  }
  // Rounding left the sum just under 1 and the number above it.
  return probabilities.findLastIndex((probability) => probability > 0)
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
