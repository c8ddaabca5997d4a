// Mean cross-entropy of the next token under logits x E^T, E being the token embedding. Value and gradient come
// from one walk over blocks of tokens, so that the logits of all tokens, the largest tensor there is, never exist.
import * as tf from '@tensorflow/tfjs-core'
import { plainEmbed } from './embedding.js'
import { withGradient } from './own-gradient.js'

/** Logits of a block, in bytes, where there is a choice: few enough for a processor's caches. */
const BLOCK_BYTES = 16 * 2 ** 20

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
    const scale = 1 / x_ND.shape[0]
    const blocks = tokenBlocks(x_ND, embedding_VD, targets_N)
    const parts = blocks.map(({ x, targets }) => lossAndGradients(x, embedding_VD, targets, scale))
    const value = tf.mul(tf.addN(parts.map(({ loss }) => loss)), scale) as tf.Scalar
    const dx_ND = tf.concat(
      parts.map(({ dx }) => dx),
      0,
    )
    const dEmbedding_VD = tf.addN(parts.map(({ dEmbedding }) => dEmbedding))
    return { value, saved: [dx_ND, dEmbedding_VD] }
  }
  return withGradient([x_ND, embedding_VD], forward, (dy, gradients) => {
    return gradients.map((gradient) => tf.mul(gradient, dy))
  })
}

/** The same value where no gradient is wanted. */
export function tiedCrossEntropyLoss(
  x_ND: tf.Tensor2D,
  embedding_VD: tf.Tensor2D,
  targets_N: tf.Tensor1D,
): tf.Scalar {
  const losses = tokenBlocks(x_ND, embedding_VD, targets_N).map(({ x, targets }) => {
    const logits_nV: tf.Tensor2D = tf.matMul(x, embedding_VD, false, true)
    return lossOf(logits_nV, tf.softmax(logits_nV), targets)
  })
  return tf.div(tf.addN(losses), x_ND.shape[0])
}

interface TokenBlock {
  readonly x: tf.Tensor2D
  /** Row and target of each token, [n, 2]. */
  readonly targets: tf.Tensor2D
}

function tokenBlocks(x_ND: tf.Tensor2D, embedding_VD: tf.Tensor2D, targets_N: tf.Tensor1D): TokenBlock[] {
  const [[N, D], V] = [x_ND.shape, embedding_VD.shape[0]]
  // Every block adds to the gradient of the embedding, [V, D]: with 2 D tokens that is half as large as its logits.
  const most = Math.max(2 * D, BLOCK_BYTES / (V * Float32Array.BYTES_PER_ELEMENT))
  const size = Math.ceil(N / Math.ceil(N / most))
  return Array.from({ length: Math.ceil(N / size) }, (_, block) => {
    const first = block * size
    const n = Math.min(size, N - first)
    const x: tf.Tensor2D = tf.slice(x_ND, [first, 0], [n, D])
    const targets = tf.stack([tf.range(0, n, 1, 'int32'), tf.slice(targets_N, first, n)], 1) as tf.Tensor2D
    return { x, targets }
  })
}

/** Sums over the block. With P the probabilities less 1 at each target: dx = scale P E and dE = scale P^T x. */
function lossAndGradients(
  x_nD: tf.Tensor2D,
  embedding_VD: tf.Tensor2D,
  targets_n2: tf.Tensor2D,
  scale: number,
) {
  const logits_nV: tf.Tensor2D = tf.matMul(x_nD, embedding_VD, false, true)
  const probabilities_nV: tf.Tensor2D = tf.softmax(logits_nV)
  const loss = lossOf(logits_nV, probabilities_nV, targets_n2)
  const chosen_n = tf.gatherND(probabilities_nV, targets_n2)
  const dLogits_nV = tf.tensorScatterUpdate(probabilities_nV, targets_n2, tf.sub(chosen_n, 1)) as tf.Tensor2D
  const dx: tf.Tensor2D = tf.mul(tf.matMul(dLogits_nV, embedding_VD), scale)
  const dEmbedding: tf.Tensor2D = tf.mul(tf.matMul(dLogits_nV, x_nD, true), scale)
  return { loss, dx, dEmbedding }
}

/** Sum over the block of logsumexp(logits) - logits[target]. */
function lossOf(logits_nV: tf.Tensor2D, probabilities_nV: tf.Tensor2D, targets_n2: tf.Tensor2D): tf.Scalar {
  // The largest probability is exp(max - logsumexp), at least 1 / V: its logarithm gives logsumexp.
  const logSumExp_n = tf.sub(tf.max(logits_nV, -1), tf.log(tf.max(probabilities_nV, -1)))
  return tf.sum(tf.sub(logSumExp_n, tf.gatherND(logits_nV, targets_n2)))
}
