// Layer normalisation over the last axis, with its gradient as one operation (Ba et al., arXiv 1607.06450).
import * as tf from '@tensorflow/tfjs-core'
import { runKernel } from './kernel.js'
import { withGradient } from './own-gradient.js'

/** Keeps the division finite for constant rows; GPT-2's value. */
const EPSILON = 1e-5

/** The definition, in plain operations. */
export function plainLayerNorm(x_ND: tf.Tensor2D, gain_D: tf.Tensor1D, offset_D: tf.Tensor1D): tf.Tensor2D {
  return tf.add(tf.mul(normalise(x_ND).unit_ND, gain_D), offset_D)
}

/** Equals plainLayerNorm. */
export function layerNorm(x_ND: tf.Tensor2D, gain_D: tf.Tensor1D, offset_D: tf.Tensor1D): tf.Tensor2D {
  const forward = () => oneKernel(x_ND, gain_D, offset_D) ?? severalKernels(x_ND, gain_D, offset_D)
  return withGradient([x_ND, gain_D, offset_D], forward, layerNormGradient)
}

/** Keeps x rather than its normalised form, which costs two passes in the gradient and saves one tensor. */
function oneKernel(x: tf.Tensor2D, gain: tf.Tensor1D, offset: tf.Tensor1D) {
  const outputs = runKernel('LayerNormalization', { x, gain, offset }, { epsilon: EPSILON })
  if (outputs === null) return null
  const [value, mean_N1, inverse_N1] = outputs
  return { value: value as tf.Tensor2D, saved: [gain, inverse_N1, x, mean_N1] }
}

function severalKernels(x_ND: tf.Tensor2D, gain_D: tf.Tensor1D, offset_D: tf.Tensor1D) {
  const { unit_ND, inverse_N1 } = normalise(x_ND)
  const value: tf.Tensor2D = tf.add(tf.mul(unit_ND, gain_D), offset_D)
  return { value, saved: [gain_D, inverse_N1, unit_ND] }
}

/** x less its mean, divided by its deviation; and one over that deviation. */
function normalise(x_ND: tf.Tensor2D) {
  const centred_ND = tf.sub(x_ND, tf.mean(x_ND, -1, true))
  const variance_N1 = tf.mean(tf.square(centred_ND), -1, true)
  const inverse_N1 = tf.rsqrt(tf.add(variance_N1, EPSILON))
  return { unit_ND: tf.mul(centred_ND, inverse_N1), inverse_N1 }
}

/** dx = (du - mean(du) - u mean(du u)) / deviation, with u the normalised x and du = dy gain. */
function layerNormGradient(
  dy_ND: tf.Tensor2D,
  [gain_D, inverse_N1, x_ND, mean_N1]: tf.Tensor[],
): tf.Tensor[] {
  const unit_ND = mean_N1 === undefined ? x_ND : tf.mul(tf.sub(x_ND, mean_N1), inverse_N1)
  const du_ND = tf.mul(dy_ND, gain_D)
  const along_N1 = tf.mean(tf.mul(du_ND, unit_ND), -1, true)
  const rest_ND = tf.sub(tf.sub(du_ND, tf.mean(du_ND, -1, true)), tf.mul(unit_ND, along_N1))
  return [tf.mul(rest_ND, inverse_N1), tf.sum(tf.mul(dy_ND, unit_ND), 0), tf.sum(dy_ND, 0)]
}
