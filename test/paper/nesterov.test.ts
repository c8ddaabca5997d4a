// Eq. 4-5: plain Nesterov per arrival, why it fails, and outer SGD.
import assert from 'node:assert/strict'
import { initialState, type OuterOptimizer, outerOptimizer } from '../../src/outer/optimizer.js'
import { assertClose, assertSame, outerOptions } from './made.js'

/** How far, in units of g, `count` equal pseudo-gradients in a row move theta from 0. */
function distance(optimizer: OuterOptimizer, count: number, bufferSize: number): number {
  const options = outerOptions({ learningRate: 1, momentum: 0.9, bufferSize })
  let state = initialState(new Float32Array(1), optimizer)
  for (let i = 0; i < count; i++) state = optimizer.apply(state, Float32Array.of(1), 1, options)
  return -state.theta[0]
}

describe('Plain Nesterov per arrival (Eq. 4-5)', () => {
  const nesterov = outerOptimizer('nesterov')

  it('takes m = beta m + g and then theta = theta - eps (g + beta m) with the new m', () => {
    const options = outerOptions({ learningRate: 0.5, momentum: 0.75 })
    const start = { theta: Float32Array.of(1, 2), slots: { momentum: Float32Array.of(4, -8) }, phase: 0 }
    const next = nesterov.apply(start, Float32Array.of(1, 0.5), 1, options)
    assertSame(next.slots.momentum, [4, -5.5])
    assertSame(next.theta, [1 - 0.5 * (1 + 3), 2 - 0.5 * (0.5 - 4.125)])
  })
  it('moves theta by 12.14 g on four equal g with beta = 0.9, where delayed Nesterov moves it by 1.9 g', () => {
    assertClose([distance(nesterov, 4, 1)], [12.1441], 1e-5)
    assertClose([distance(outerOptimizer('delayed-nesterov'), 4, 4)], [1.9], 1e-6)
  })
  it('does not discount stale contributions', () => assert.equal(nesterov.weight(7, outerOptions()), 1))
})

describe('Outer SGD', () => {
  const sgd = outerOptimizer('sgd')

  it('takes theta - eps g', () => {
    const state = initialState(Float32Array.of(1, 2), sgd)
    assertSame(
      sgd.apply(state, Float32Array.of(1, -4), 1, outerOptions({ learningRate: 0.5 })).theta,
      [0.5, 4],
    )
  })
  it('moves theta to where the worker ended at a learning rate of 1: FedAvg of one worker', () => {
    const start = Float32Array.of(3, 5)
    const end = Float32Array.of(2, 7)
    const g = start.map((value, i) => value - end[i])
    assertSame(sgd.apply(initialState(start, sgd), g, 1, outerOptions({ learningRate: 1 })).theta, end)
  })
})

describe('The weight of a contribution', () => {
  for (const name of ['sgd', 'nesterov', 'delayed-nesterov']) {
    it(`scales the pseudo-gradient before anything else in ${name}`, () => {
      const optimizer = outerOptimizer(name)
      const options = outerOptions({ bufferSize: 2, activation: 0.25 })
      const g = Float32Array.of(1, -3, 0.5)
      const half = g.map((value) => value / 2)
      let weighted = initialState(Float32Array.of(1, 2, 3), optimizer)
      let scaled = weighted
      for (let i = 0; i < 3; i++) {
        weighted = optimizer.apply(weighted, g, 0.5, options)
        scaled = optimizer.apply(scaled, half, 1, options)
      }
      assert.deepEqual(weighted, scaled)
    })
  }
})
