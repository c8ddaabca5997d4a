// Operations with gradients of their own equal their definitions in plain operations, in value and gradient.
import assert from 'node:assert/strict'
import * as tf from '@tensorflow/tfjs-core'
import { causalAttention, plainCausalAttention, queryBlocks } from '../../src/model/operations/attention.js'
import { embed, plainEmbed } from '../../src/model/operations/embedding.js'
import { gelu, plainGelu } from '../../src/model/operations/gelu.js'
import { layerNorm, plainLayerNorm } from '../../src/model/operations/layer-norm.js'
import { plainTiedCrossEntropy, tiedCrossEntropy } from '../../src/model/operations/tied-cross-entropy.js'
import { made, onBackend, relativeDifference } from './backend.js'

/** Float32 rounding over sums of a few dozen terms. */
const TOLERANCE = 2e-5

const matrix = (rows: number, columns: number, seed: number) =>
  tf.tensor2d(made(rows * columns, seed), [rows, columns])
const vector = (length: number, seed: number) => tf.tensor1d(made(length, seed))

type Operation = (...inputs: tf.Tensor[]) => tf.Tensor

/** Compares value and gradients of both, under a random gradient of the value. */
function assertEqual(own: Operation, plain: Operation, inputs: tf.Tensor[]): void {
  const expected = plain(...inputs)
  const dy = tf.tensor(made(expected.size, 99), expected.shape)
  const one = tf.valueAndGrads(own)(inputs, dy)
  const other = tf.valueAndGrads(plain)(inputs, dy)
  assert.deepEqual(one.value.shape, other.value.shape)
  assert.ok(relativeDifference(one.value.dataSync(), other.value.dataSync()) < TOLERANCE, 'values differ')
  for (const [i, gradient] of other.grads.entries()) {
    assert.deepEqual(one.grads[i].shape, gradient.shape)
    const difference = relativeDifference(one.grads[i].dataSync(), gradient.dataSync())
    assert.ok(difference < TOLERANCE, `gradients of input ${i} differ by ${difference}`)
  }
}

for (const backend of ['cpu', 'wasm'] as const) {
  describe(`On ${backend}, an operation with its own gradient`, () => {
    onBackend(backend)

    it('equals plain layer normalisation', () => {
      assertEqual(layerNorm as Operation, plainLayerNorm as Operation, [
        matrix(6, 8, 1),
        vector(8, 2),
        vector(8, 3),
      ])
    })

    it('equals the plain GELU', () => {
      assertEqual(gelu as Operation, plainGelu as Operation, [tf.mul(matrix(5, 7, 4), 4)])
    })

    it('equals plain causal attention, over several blocks of queries', () => {
      for (const context of [5, 150]) {
        const shape = { context, batch: 2, heads: 2, headSize: 4 }
        const inputs = [5, 6, 7].map((seed) => tf.mul(matrix(context * 2, 8, seed), 3))
        const own: Operation = (q, k, v) =>
          causalAttention(q as tf.Tensor2D, k as tf.Tensor2D, v as tf.Tensor2D, queryBlocks(context), shape)
        const plain: Operation = (q, k, v) =>
          plainCausalAttention(q as tf.Tensor2D, k as tf.Tensor2D, v as tf.Tensor2D, shape)
        assertEqual(own, plain, inputs)
      }
    })

    it('equals a plain embedding, tokens that occur several times included', () => {
      const tokens = tf.tensor1d([3, 0, 3, 3, 5, 0], 'int32')
      const own: Operation = (table) => embed(table as tf.Tensor2D, tokens)
      const plain: Operation = (table) => plainEmbed(table as tf.Tensor2D, tokens)
      assertEqual(own, plain, [matrix(6, 4, 6)])
    })

    it('equals plain tied cross-entropy', () => {
      const targets = tf.tensor1d([1, 4, 1, 0, 6, 1], 'int32')
      const own: Operation = (x, e) => tiedCrossEntropy(x as tf.Tensor2D, e as tf.Tensor2D, targets)
      const plain: Operation = (x, e) => plainTiedCrossEntropy(x as tf.Tensor2D, e as tf.Tensor2D, targets)
      assertEqual(own, plain, [tf.mul(matrix(6, 5, 7), 3), matrix(7, 5, 8)])
    })
  })
}

describe('The GELU', () => {
  onBackend('cpu')

  it('is x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2', () => {
    const x = [-5, -1, -0.1, 0, 0.3, 2, 6]
    const expected = x.map((value) => {
      return (value * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (value + 0.044715 * value ** 3)))) / 2
    })
    assert.ok(relativeDifference(gelu(tf.tensor2d([x])).dataSync(), expected) < 1e-6)
  })
})

describe('Tied cross-entropy', () => {
  onBackend('cpu')

  it('stays finite for logits whose exponential overflows', () => {
    const x = tf.tensor2d([[500], [-500]])
    const embedding = tf.tensor2d([[1], [-1]])
    const loss = tiedCrossEntropy(x, embedding, tf.tensor1d([0, 0], 'int32')).dataSync()[0]
    assert.equal(loss, 500)
  })
})
