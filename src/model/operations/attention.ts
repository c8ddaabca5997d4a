// Causal self-attention of all heads, with its gradient as one operation (Vaswani et al., arXiv 1706.03762).
// Shapes: B sequences, T positions, h heads of size k; G = h B, the pairs of head and sequence.
import * as tf from '@tensorflow/tfjs-core'
import { withGradient } from './own-gradient.js'

/** Added to the scores of future positions: exp of it is 0 beside any real score. */
const MASKED = -1e9

export interface AttentionShape {
  readonly batch: number
  readonly context: number
  readonly heads: number
  readonly headSize: number
}

/** Scores that let position t see 0..t only. */
export function causalMask(context: number): tf.Tensor2D {
  const position = tf.range(0, context, 1, 'float32')
  const future_TT = tf.greater(tf.expandDims(position, 0), tf.expandDims(position, 1))
  return tf.mul(tf.cast(future_TT, 'float32'), MASKED)
}

/**
 * The definition, in plain operations.
 * @param qkv [B T, 3 h k]: queries, keys and values of all heads side by side
 * @param mask_TT of causalMask
 * @returns [B T, h k]
 */
export function plainCausalAttention(
  qkv: tf.Tensor2D,
  mask_TT: tf.Tensor2D,
  shape: AttentionShape,
): tf.Tensor2D {
  const [q_GTk, k_GTk, v_GTk] = splitHeads(qkv, shape)
  const weights_GTT = attentionWeights(q_GTk, k_GTk, mask_TT)
  const y_GTk: tf.Tensor3D = tf.matMul(weights_GTT, v_GTk)
  return joinHeads(y_GTk, shape)
}

/** Equals plainCausalAttention. */
export function causalAttention(qkv: tf.Tensor2D, mask_TT: tf.Tensor2D, shape: AttentionShape): tf.Tensor2D {
  const forward = () => {
    const [q_GTk, k_GTk, v_GTk] = splitHeads(qkv, shape)
    const weights_GTT = attentionWeights(q_GTk, k_GTk, mask_TT)
    const y_GTk: tf.Tensor3D = tf.matMul(weights_GTT, v_GTk)
    return { value: joinHeads(y_GTk, shape), saved: [q_GTk, k_GTk, v_GTk, weights_GTT, y_GTk] }
  }
  return withGradient([qkv], forward, (dy, saved) => [attentionGradient(dy, saved, shape)])
}

/** softmax(q k^T + mask); q is scaled by 1 / sqrt(k) already. */
function attentionWeights(q_GTk: tf.Tensor3D, k_GTk: tf.Tensor3D, mask_TT: tf.Tensor2D): tf.Tensor3D {
  const scores_GTT: tf.Tensor3D = tf.add(tf.matMul(q_GTk, k_GTk, false, true), mask_TT)
  return tf.softmax(scores_GTT)
}

/**
 * With P the weights and dP = dy v^T: dS = P (dP - rowsum(dP P)), and rowsum(dP P) = rowsum(dy y), which is
 * the smaller sum (FlashAttention, arXiv 2205.14135, appendix B.4).
 */
function attentionGradient(dy: tf.Tensor2D, saved: tf.Tensor[], shape: AttentionShape): tf.Tensor2D {
  const [q_GTk, k_GTk, v_GTk, weights_GTT, y_GTk] = saved
  const dy_GTk = toHeads(dy, shape.heads, shape)
  const dv_GTk: tf.Tensor3D = tf.matMul(weights_GTT, dy_GTk, true, false)
  const dWeights_GTT = tf.matMul(dy_GTk, v_GTk, false, true)
  const along_GT1 = tf.sum(tf.mul(dy_GTk, y_GTk), -1, true)
  const dScores_GTT = tf.mul(weights_GTT, tf.sub(dWeights_GTT, along_GT1))
  const dq_GTk: tf.Tensor3D = tf.mul(tf.matMul(dScores_GTT, k_GTk), 1 / Math.sqrt(shape.headSize))
  const dk_GTk: tf.Tensor3D = tf.matMul(dScores_GTT, q_GTk, true, false)
  return fromHeads(tf.concat([dq_GTk, dk_GTk, dv_GTk], 0), 3 * shape.heads, shape)
}

/** Queries (scaled by 1 / sqrt(k)), keys and values by head and sequence. */
function splitHeads(qkv: tf.Tensor2D, shape: AttentionShape): [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D] {
  const groups = shape.heads * shape.batch
  const all = toHeads(qkv, 3 * shape.heads, shape)
  const part = (index: number) => tf.slice(all, index * groups, groups)
  return [tf.mul(part(0), 1 / Math.sqrt(shape.headSize)), part(1), part(2)]
}

function joinHeads(y_GTk: tf.Tensor3D, shape: AttentionShape): tf.Tensor2D {
  return fromHeads(y_GTk, shape.heads, shape)
}

/** [B T, n k] to [n B, T, k]. */
function toHeads(x: tf.Tensor2D, n: number, { batch, context, headSize }: AttentionShape): tf.Tensor3D {
  const x_BTnk = tf.reshape(x, [batch, context, n, headSize])
  return tf.reshape(tf.transpose(x_BTnk, [2, 0, 1, 3]), [n * batch, context, headSize])
}

/** [n B, T, k] to [B T, n k]. */
function fromHeads(x: tf.Tensor3D, n: number, { batch, context, headSize }: AttentionShape): tf.Tensor2D {
  const x_nBTk = tf.reshape(x, [n, batch, context, headSize])
  return tf.reshape(tf.transpose(x_nBTk, [1, 2, 0, 3]), [batch * context, n * headSize])
}
