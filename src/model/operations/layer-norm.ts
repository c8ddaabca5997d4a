// Layer normalisation over the last axis, with its gradient as one operation (Ba et al., arXiv 1607.06450).
import * as tf from '@tensorflow/tfjs-core'
import { withGradient } from './own-gradient.js'

/** Keeps the division finite for constant rows; GPT-2's value. */
const EPSILON = 1e-5

/** The definition, in plain operations. */
export function plainLayerNorm(x_ND: tf.Tensor2D, gain_D: tf.Tensor1D, offset_D: tf.Tensor1D): tf.Tensor2D {
  return tf.add(tf.mul(normalise(x_ND).unit_ND, gain_D), offset_D)
}

/** Equals plainLayerNorm. */
export function layerNorm(x_ND: tf.Tensor2D, gain_D: tf.Tensor1D, offset_D: tf.Tensor1D): tf.Tensor2D {
  const forward = () => {
    const { unit_ND, inverse_N1 } = normalise(x_ND)
    const value: tf.Tensor2D = tf.add(tf.mul(unit_ND, gain_D), offset_D)
    return { value, saved: [unit_ND, inverse_N1, gain_D] }
  }
  return withGradient([x_ND, gain_D, offset_D], forward, layerNormGradient)
}

/** x less its mean, divided by its deviation; and one over that deviation. */
function normalise(x_ND: tf.Tensor2D) {
  const centred_ND = tf.sub(x_ND, tf.mean(x_ND, -1, true))
  const variance_N1 = tf.mean(tf.square(centred_ND), -1, true)
  const inverse_N1 = tf.rsqrt(tf.add(variance_N1, EPSILON))
  return { unit_ND: tf.mul(centred_ND, inverse_N1), inverse_N1 }
}

/** dx = (du - mean(du) - u mean(du u)) / deviation, with u the normalised x and du = dy gain. */
function layerNormGradient(dy_ND: tf.Tensor2D, [unit_ND, inverse_N1, gain_D]: tf.Tensor[]): tf.Tensor[] {
  const du_ND = tf.mul(dy_ND, gain_D)
  const along_N1 = tf.mean(tf.mul(du_ND, unit_ND), -1, true)
  const rest_ND = tf.sub(tf.sub(du_ND, tf.mean(du_ND, -1, true)), tf.mul(unit_ND, along_N1))
  return [tf.mul(rest_ND, inverse_N1), tf.sum(tf.mul(dy_ND, unit_ND), 0), tf.sum(dy_ND, 0)]
}
