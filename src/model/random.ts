// A sequential stream of random numbers for bulk draws: initial parameters and sampling.
import { hash32 } from '../outer/random.js'

/**
 * Uniform numbers in [0, 1) with 32 random bits each: mulberry32, started from a hash of the seed and of what
 * the stream is for. Integer arithmetic only, so the same on every machine.
 */
export function randomStream(...seed: readonly number[]): () => number {
  let state = hash32(...seed)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let word = Math.imul(state ^ (state >>> 15), state | 1)
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61)
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32
  }
}
