// Made data for the tests of the outer methods: exact fp32 vectors, option sets, comparisons.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { OuterState } from '../../src/outer/optimizer.js'
import { type OuterConfig, outerSchema } from '../../src/swarmfile/schema.js'

/** The options of a swarm file that sets only these. */
export const outerOptions = (some: Partial<OuterConfig> = {}): OuterConfig => outerSchema.parse(some)

/** Vectors from a linear congruential generator: multiples of 2^-23 in [-1, 1), times a power of two. */
export function madeVectors(seed: number): (length: number, scale: number) => Float32Array {
  let word = seed
  return (length, scale) =>
    Float32Array.from({ length }, () => {
      word = (Math.imul(1664525, word) + 1013904223) >>> 0
      return (((word >>> 8) - 2 ** 23) / 2 ** 23) * scale
    })
}

export const vectorOf = (length: number): fc.Arbitrary<Float32Array> =>
  fc.float32Array({ min: -1, max: 1, noNaN: true, minLength: length, maxLength: length })

export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what = 'element',
): void {
  assert.equal(actual.length, expected.length)
  for (let i = 0; i < actual.length; i++) {
    const apart = Math.abs(actual[i] - expected[i])
    assert.ok(apart <= tolerance, `${what} ${i}: ${actual[i]} against ${expected[i]}, ${apart} apart`)
  }
}

/** Equal numbers; 0 and -0 count as equal. */
export function assertSame(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  assertClose(actual, expected, 0)
}

export const copyOf = (state: OuterState): OuterState => structuredClone(state)
