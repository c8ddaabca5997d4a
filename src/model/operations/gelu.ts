// The Gaussian error linear unit in its tanh form, with its gradient as one operation (arXiv 1606.08415).
import * as tf from '@tensorflow/tfjs-core'
import { runKernel } from './kernel.js'
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
  return withGradient([x], () => oneKernel(x) ?? severalKernels(x), geluGradient)
}

/** Where the value is one pass, keeping more than x for the gradient would only cost memory. */
function oneKernel(x: tf.Tensor2D) {
  const value = runKernel('Gelu', { x })
  return value && { value: value[0] as tf.Tensor2D, saved: [x] }
}

function severalKernels(x: tf.Tensor2D) {
  const square: tf.Tensor2D = tf.square(x)
  const open = gate(x, square)
  return { value: tf.mul(x, open) as tf.Tensor2D, saved: [x, square, open] }
}

/** sigmoid(2u). */
function gate(x: tf.Tensor2D, square: tf.Tensor2D): tf.Tensor2D {
  return tf.sigmoid(tf.mul(x, tf.add(tf.mul(square, CUBIC), LINEAR)))
}

/** gelu'(x) = s (1 + (1 - s) x (2u)') with s = sigmoid(2u). */
function geluGradient(dy: tf.Tensor2D, [x, square = tf.square(x), open]: tf.Tensor[]): tf.Tensor[] {
  const s = open ?? gate(x as tf.Tensor2D, square as tf.Tensor2D)
  const slope = tf.mul(x, tf.add(tf.mul(square, 3 * CUBIC), LINEAR))
  return [tf.mul(dy, tf.mul(s, tf.add(tf.mul(tf.sub(1, s), slope), 1)))]
}
