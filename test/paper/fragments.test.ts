// Streaming DiLoCo (arXiv 2501.18512): outer steps on one fragment at a time.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { applyToFragment, type WholeState, wholeOf } from '../../src/outer/fragments.js'
import {
  initialState,
  type OuterState,
  outerOptimizer,
  outerOptimizerNames,
} from '../../src/outer/optimizer.js'
import { fragmentAt } from '../../src/tensor/fragments.js'
import { outerOptions, vectorOf } from './made.js'

const length = 14
const count = 3

/** Contributions of fragments in any order. */
const programs = fc.record({
  method: fc.constantFrom(...outerOptimizerNames),
  theta: vectorOf(length),
  contributions: fc.array(fc.tuple(fc.nat(count - 1), vectorOf(length)), { maxLength: 20 }),
})
const options = outerOptions({ bufferSize: 3, activation: 0.1 })

const stretch = (values: Float32Array, index: number): Float32Array => {
  const { start, end } = fragmentAt(length, count, index)
  return values.slice(start, end)
}

describe('An outer step on a fragment', () => {
  it('is the step of a model that consists of this fragment alone, to the bit, whatever comes for the others between', () => {
    fc.assert(
      fc.property(programs, ({ method, theta, contributions }) => {
        const optimizer = outerOptimizer(method)
        let whole: WholeState = wholeOf(initialState(theta, optimizer), count)
        const alone: OuterState[] = Array.from({ length: count }, (_, index) =>
          initialState(stretch(theta, index), optimizer),
        )
        for (const [index, g] of contributions) {
          const own = stretch(g, index)
          whole = applyToFragment(whole, index, own, 1, optimizer, options)
          alone[index] = optimizer.apply(alone[index], own, 1, options)
        }
        for (const [index, { theta: expected, slots, phase }] of alone.entries()) {
          assert.deepEqual(stretch(whole.theta, index), expected)
          assert.equal(whole.phases[index], phase)
          for (const [name, slot] of Object.entries(slots))
            assert.deepEqual(stretch(whole.slots[name], index), slot)
        }
      }),
    )
  })

  it('changes nothing of the state that it begins from', () => {
    const optimizer = outerOptimizer('delayed-nesterov')
    const before = wholeOf(initialState(new Float32Array(length).fill(1), optimizer), count)
    const copy = structuredClone(before)
    applyToFragment(before, 1, new Float32Array(4).fill(2), 1, optimizer, options)
    assert.deepEqual(before, copy)
  })

  it('of all that there is has the bits of the method itself', () => {
    const optimizer = outerOptimizer('delayed-nesterov')
    const start = initialState(Float32Array.of(1, 2, 3), optimizer)
    const g = Float32Array.of(0.1, 0.2, 0.3)
    const { phases, ...vectors } = applyToFragment(wholeOf(start, 1), 0, g, 1, optimizer, options)
    const { phase, ...expected } = optimizer.apply(start, g, 1, options)
    assert.deepEqual([vectors, phases], [expected, [phase]])
  })
})
