// The gradients that we register for TensorFlow.js kernels.
import assert from 'node:assert/strict'
import * as tf from '@tensorflow/tfjs-core'
import { onBackend } from '../model/backend.js'

describe('A registered gradient', () => {
  onBackend('cpu')

  it("is a tensor of its own: a term that is used again does not take the other's away", () => {
    // Backwards, x gets the gradient of the sum, then adds that of its product, before the square's is computed.
    const f = (x: tf.Tensor, w: tf.Tensor) => {
      const y = tf.square(w)
      const product = tf.mul(x, 3)
      return tf.add(tf.add(x, y), product)
    }
    const [dx, dw] = tf.grads(f as (...inputs: tf.Tensor[]) => tf.Tensor)([tf.scalar(2), tf.scalar(5)])
    assert.equal(dx.dataSync()[0], 4)
    assert.equal(dw.dataSync()[0], 10)
  })
})
