// Random numbers without state: every draw is a hash of a seed and counters, so any peer can repeat it.

/** What a draw is for; the first counter, so that no two uses share numbers. */
export const stream = { shardDraw: 1, dataOffset: 2, dataOrder: 3 } as const

/** Two unrelated starting values give the two words of one 64-bit hash. */
const highStart = 0x9e3779b9
const lowStart = 0x85ebca6b

/** MurmurHash3's finaliser: every input bit changes every output bit with probability near 1/2. */
function finalise(word: number): number {
  let h = word ^ (word >>> 16)
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** Takes in one non-negative integer below 2^53, both words of it. */
function absorb(state: number, value: number): number {
  const low = finalise(state ^ (value >>> 0))
  return finalise((Math.imul(low, 5) + 0xe6546b64) ^ Math.floor(value / 2 ** 32))
}

/** A 32-bit hash of non-negative integers, in order. */
export function hash32(...words: readonly number[]): number {
  return words.reduce(absorb, highStart)
}

/** A number in [0, 1) with 53 random bits, a function of the seed and the counters alone. */
export function uniform(seed: number, ...counters: readonly number[]): number {
  const high = counters.reduce(absorb, absorb(highStart, seed))
  const low = counters.reduce(absorb, absorb(lowStart, seed))
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53
}

/** Rounds of the Feistel network below; four give a pseudo-random permutation, the rest is margin. */
const feistelRounds = 6

/**
 * Where a pseudo-random permutation of 0 .. size-1 sends `index`, in constant time and memory: a Feistel
 * network over the next power of four, repeated until the result is below `size` ("cycle walking").
 *
 * @param size at most 2^32
 * @param key names the permutation
 */
export function permute(index: number, size: number, key: number): number {
  const halfBits = Math.max(1, Math.ceil((32 - Math.clz32(size - 1)) / 2))
  const mask = 2 ** halfBits - 1
  let place = index
  do {
    let left = Math.floor(place / 2 ** halfBits)
    let right = place & mask
    for (let round = 0; round < feistelRounds; round++) {
      const mixed = left ^ (hash32(key, round, right) & mask)
      left = right
      right = mixed
    }
    place = left * 2 ** halfBits + right
  } while (place >= size)
  return place
}
