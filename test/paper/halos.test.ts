// HALoS (arXiv 2506.04531): what a cluster makes of the theta above it, and what it still has to report.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { WholeState } from '../../src/outer/fragments.js'
import { merge, mergedSlot, unreported } from '../../src/outer/merge.js'
import { hierarchySchema } from '../../src/swarmfile/schema.js'

const rules = (changes: object = {}) => hierarchySchema.parse(changes)
const vector = (length: number) =>
  fc.array(fc.float({ min: -4, max: 4, noNaN: true }), { minLength: length, maxLength: length })
const vectors = fc
  .integer({ min: 1, max: 16 })
  .chain((length) => fc.tuple(vector(length), vector(length), vector(length), vector(length)))
  .map((four) => four.map((values) => Float32Array.from(values)))

const stateOf = (theta: Float32Array, merged: Float32Array): WholeState => ({
  theta,
  slots: { momentum: theta.slice(), [mergedSlot]: merged },
  phases: [2],
})

function assertClose(actual: Float32Array, expected: readonly number[]): void {
  for (const [i, value] of actual.entries())
    assert.ok(Math.abs(value - expected[i]) <= 1e-5, `element ${i} is ${value}, not ${expected[i]}`)
}

describe('A merge with the theta above', () => {
  it('is theta = (1 - alpha) theta + alpha Theta, and leaves momentum and phase as they are', () => {
    fc.assert(
      fc.property(vectors, fc.double({ min: 0.01, max: 1, noNaN: true }), ([theta, merged, above], alpha) => {
        const state = stateOf(theta, merged)
        const after = merge(state, above, null, rules({ alpha }))
        assertClose(
          after.theta,
          [...theta].map((value, i) => (1 - alpha) * value + alpha * above[i]),
        )
        assert.equal(after.slots.momentum, state.slots.momentum)
        assert.deepEqual(after.phases, [2])
      }),
    )
  })

  it('neither adds to nor takes from what is unreported but for what was sent, when progress is carried', () => {
    fc.assert(
      fc.property(vectors, ([theta, merged, above, sent]) => {
        const state = stateOf(theta, merged)
        const before = unreported(state)
        assertClose(
          unreported(merge(state, above, sent, rules())),
          [...before].map((value, i) => value - sent[i]),
        )
        assertClose(unreported(merge(state, above, null, rules())), [...before])
      }),
    )
  })

  it('forgets what was moved since the report was sent under the rule as published', () => {
    fc.assert(
      fc.property(vectors, ([theta, merged, above, sent]) => {
        const after = merge(stateOf(theta, merged), above, sent, rules({ carry: false }))
        assert.ok(unreported(after).every((value) => value === 0))
        assert.notEqual(after.slots[mergedSlot], after.theta)
      }),
    )
  })

  it('is the same under both rules for a cluster that did not move while its report was on its way', () => {
    const theta = Float32Array.of(1, -2, 0.5)
    const merged = Float32Array.of(1.5, -1, 0.5)
    const state = stateOf(theta, merged)
    const [carried, published] = [true, false].map((carry) =>
      merge(state, Float32Array.of(0, 4, 1), unreported(state), rules({ carry })),
    )
    assert.deepEqual(carried, published)
  })

  it('of a lone cluster that takes all of the theta above is plain local training', () => {
    // Above, one step of SGD with learning rate 1: Theta - (merged - theta) = theta.
    const state = stateOf(Float32Array.of(0.25, 3), Float32Array.of(1, 2))
    const U = unreported(state)
    const above = state.slots[mergedSlot].map((value, i) => value - U[i])
    assert.deepEqual(merge(state, above, U, rules({ alpha: 1 })).theta, state.theta)
  })
})
