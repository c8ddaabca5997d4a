// Outer steps give the same bits everywhere: digests of a fixed run, computed apart in another language with
// native fp32 arithmetic on whole vectors.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { initialState, outerOptimizer } from '../../src/outer/optimizer.js'
import { codecs } from '../../src/tensor/codec.js'
import { madeVectors, outerOptions } from './made.js'

const golden = {
  sgd: '48b60f4e9301a1355f90b91e603dbc9f6fc598a3b4cb60e04b9d62a55e3af634',
  nesterov: '244d3512261807092cbc87f3a1de974233eb2b79c05508c6b08fa297ea4c35f0',
  'delayed-nesterov': '13c65de9b1863389b4178115457a9b1bcc7c912314a888f55c3707178775b55e',
}

describe('Eleven outer steps on 257 parameters', () => {
  for (const [name, expected] of Object.entries(golden)) {
    it(`of ${name} end in the bits that fp32 arithmetic, rounded after each operation, gives`, () => {
      const optimizer = outerOptimizer(name)
      const options = outerOptions({ learningRate: 0.7, momentum: 0.9, bufferSize: 3, activation: 0.2 })
      const vector = madeVectors(20240113)
      let state = initialState(vector(257, 1), optimizer)
      for (let step = 0; step < 11; step++) {
        state = optimizer.apply(state, vector(257, 1 / 16), 1, options)
      }
      const hash = createHash('sha256').update(codecs.fp32.encode(state.theta))
      for (const slot of optimizer.slots) hash.update(codecs.fp32.encode(state.slots[slot]))
      assert.equal(hash.digest('hex'), expected)
    })
  }

  it('keep subnormal numbers instead of flushing them to zero', () => {
    const sgd = outerOptimizer('sgd')
    const smallest = 2 ** -149
    const state = initialState(Float32Array.of(3 * smallest), sgd)
    const next = sgd.apply(state, Float32Array.of(smallest), 1, outerOptions({ learningRate: 1 }))
    assert.equal(next.theta[0], 2 * smallest)
  })
})
