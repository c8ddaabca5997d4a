// A training step as a whole: it learns, and it skips updates that are not finite.
import assert from 'node:assert/strict'
import * as tf from '@tensorflow/tfjs-core'
import { type AdamwOptions, biasCorrections } from '../../src/model/adamw.js'
import { resolveModel } from '../../src/model/config.js'
import { initialParameters, layoutOf } from '../../src/model/parameters.js'
import { type StepInputs, trainingStep } from '../../src/model/step.js'
import { made, onBackend } from './backend.js'

const config = resolveModel({ preset: 'nano', context: 16 }, 32)
const layout = layoutOf(config)
const options: AdamwOptions = { weightDecay: 0.1, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, clip: 1 }

function batch(): tf.Tensor2D {
  const ids = Int32Array.from(made(4 * 17, 2), (x) => Math.floor((x + 1) * 16))
  return tf.tensor2d(ids, [4, 17], 'int32')
}

function inputs(theta: Float32Array, update = 1): StepInputs {
  const [correction1, correction2] = biasCorrections(options, update).map((value) => tf.scalar(value))
  const moment = (seed: number) => tf.tensor1d(made(layout.size, seed).map((x) => Math.abs(x) / 1000))
  const scalars = { learningRate: tf.scalar(0.01), correction1, correction2 }
  return { theta: tf.tensor1d(theta), m: moment(1), v: moment(2), tokens: batch(), ...scalars }
}

describe('A training step', () => {
  onBackend('wasm')

  it('learns a small batch by heart', () => {
    const zeros = () => tf.zeros([layout.size]) as tf.Tensor1D
    let state = { theta: tf.tensor1d(initialParameters(config, 1)), m: zeros(), v: zeros() }
    let loss = Number.POSITIVE_INFINITY
    for (let update = 1; update <= 80; update++) {
      const [correction1, correction2] = biasCorrections(options, update).map((value) => tf.scalar(value))
      const scalars = { learningRate: tf.scalar(0.01), correction1, correction2 }
      const outputs = trainingStep({ ...state, tokens: batch(), ...scalars }, config, layout, options)
      loss = outputs.loss.dataSync()[0]
      state = outputs
    }
    assert.ok(loss < 0.2, `${loss}`)
  })

  for (const poison of [Number.NaN, Number.POSITIVE_INFINITY]) {
    it(`leaves parameters and moments bit by bit as they were when a parameter is ${poison}, and shows it`, () => {
      const theta = initialParameters(config, 1)
      theta[layout.tensors.find((tensor) => tensor.name === 'block.1.mlp.in.weight')!.offset] = poison
      const before = inputs(theta)
      const after = trainingStep(before, config, layout, options)
      assert.deepEqual(after.theta.dataSync(), before.theta.dataSync())
      assert.deepEqual(after.m.dataSync(), before.m.dataSync())
      assert.deepEqual(after.v.dataSync(), before.v.dataSync())
      assert.ok(!Number.isFinite(after.loss.dataSync()[0]) || !Number.isFinite(after.norm.dataSync()[0]))
    })
  }

  it('reports the norm before clipping', () => {
    const theta = initialParameters(config, 1)
    const norms = [1, 1e-3].map((clip) => {
      return trainingStep(inputs(theta), config, layout, { ...options, clip }).norm.dataSync()[0]
    })
    assert.equal(norms[0], norms[1])
    assert.ok(norms[0] > 0.1)
  })
})
