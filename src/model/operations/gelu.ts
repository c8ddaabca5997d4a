// The Gaussian error linear unit in its tanh form, with its gradient as one operation (arXiv 1606.08415).
import * as tf from '@tensorflow/tfjs-core'
import { withGradient } from './own-gradient.js'

/**
 * gelu(x) = x (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3). It is computed as x sigmoid(2u), the
 * same thing, because backends have a vectorised sigmoid more often than a tanh. These are the terms of 2u.
 */
const LINEAR = 2 * Math.sqrt(2 / Math.PI)
const CUBIC = 0.044715 * LINEAR

/** The definition, in plain operations. */
export function plainGelu(x: tf.Tensor2D): tf.Tensor2D {
  return tf.mul(x, gate(x, tf.square(x)))
}

/** Equals plainGelu. */
export function gelu(x: tf.Tensor2D): tf.Tensor2D {
  const forward = () => {
    const square: tf.Tensor2D = tf.square(x)
    const open = gate(x, square)
    const value: tf.Tensor2D = tf.mul(x, open)
    return { value, saved: [square, open, value] }
  }
  return withGradient([x], forward, geluGradient)
}

/** sigmoid(2u). */
function gate(x: tf.Tensor2D, square: tf.Tensor2D): tf.Tensor2D {
  return tf.sigmoid(tf.mul(x, tf.add(tf.mul(square, CUBIC), LINEAR)))
}

/** gelu'(x) = s + y (1 - s) (2u)' with s = sigmoid(2u) and y = gelu(x) = x s. */
function geluGradient(dy: tf.Tensor2D, [square, open, value]: tf.Tensor[]): tf.Tensor[] {
  const slope = tf.add(tf.mul(square, 3 * CUBIC), LINEAR)
  const bend = tf.mul(tf.mul(value, tf.sub(1, open)), slope)
  return [tf.mul(dy, tf.add(open, bend))]
}
