// Mean cross-entropy of the next token under logits x E^T, E being the token embedding, with its gradient as one
// operation that never writes a one-hot of [tokens, vocabulary].
import * as tf from '@tensorflow/tfjs-core'
import { addRows, plainEmbed } from './embedding.js'
import { withGradient } from './own-gradient.js'

/** The definition, in plain operations: the mean over tokens of logsumexp(logits) - logits[target]. */
export function plainTiedCrossEntropy(
  x_ND: tf.Tensor2D,
  embedding_VD: tf.Tensor2D,
  targets_N: tf.Tensor1D,
): tf.Scalar {
  const logits_NV = tf.matMul(x_ND, embedding_VD, false, true)
  const logSumExp_N = tf.log(tf.sum(tf.exp(logits_NV), -1))
  const chosen_N = tf.sum(tf.mul(x_ND, plainEmbed(embedding_VD, targets_N)), -1)
  return tf.mean(tf.sub(logSumExp_N, chosen_N))
}

/** Equals plainTiedCrossEntropy, and is finite for logits of any size. */
export function tiedCrossEntropy(
  x_ND: tf.Tensor2D,
  embedding_VD: tf.Tensor2D,
  targets_N: tf.Tensor1D,
): tf.Scalar {
  const forward = () => {
    const logits_NV = tf.matMul(x_ND, embedding_VD, false, true)
    const probabilities_NV = tf.softmax(logits_NV)
    const chosen_ND = tf.gather(embedding_VD, targets_N)
    // The largest probability is exp(max - logsumexp), at least 1 / V: its logarithm gives logsumexp.
    const logSumExp_N = tf.sub(tf.max(logits_NV, -1), tf.log(tf.max(probabilities_NV, -1)))
    const chosen_N = tf.sum(tf.mul(x_ND, chosen_ND), -1)
    const value: tf.Scalar = tf.mean(tf.sub(logSumExp_N, chosen_N))
    return { value, saved: [x_ND, embedding_VD, probabilities_NV, chosen_ND, targets_N] }
  }
  return withGradient([x_ND, embedding_VD], forward, tiedCrossEntropyGradient)
}

/** With P the probabilities: dx = (P E - E[target]) / N and dE = (P^T x - x added at its target) / N. */
function tiedCrossEntropyGradient(dy: tf.Scalar, saved: tf.Tensor[]): tf.Tensor[] {
  const [x_ND, embedding_VD, probabilities_NV, chosen_ND, targets_N] = saved as [
    tf.Tensor2D,
    tf.Tensor2D,
    tf.Tensor2D,
    tf.Tensor2D,
    tf.Tensor1D,
  ]
  const scale = tf.div(dy, x_ND.shape[0])
  const dx_ND = tf.sub(tf.matMul(probabilities_NV, embedding_VD), chosen_ND)
  const expected_VD = tf.matMul(probabilities_NV, x_ND, true, false)
  const dEmbedding_VD = tf.sub(expected_VD, addRows(targets_N, x_ND, embedding_VD.shape))
  return [tf.mul(dx_ND, scale), tf.mul(dEmbedding_VD, scale)]
}
