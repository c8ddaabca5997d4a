// Causal self-attention of all heads, with its gradient as one operation (Vaswani et al., arXiv 1706.03762).
// Shapes: T positions, B sequences, h heads of size k; G = B h, the pairs of sequence and head. Rows are ordered by
// position first: [T B, h k] is [T, G, k] without moving anything, and a block of queries is a range of rows.
import * as tf from '@tensorflow/tfjs-core'
import { withGradient } from './own-gradient.js'

/** Added to the scores of future positions: exp of it is 0 beside any real score. */
const MASKED = -1e9

/** Queries are taken in blocks of at least so many, two blocks at most: more of them skip more, and gain nothing. */
const SMALLEST_BLOCK = 128
const MOST_BLOCKS = 2

export interface AttentionShape {
  readonly context: number
  readonly batch: number
  readonly heads: number
  readonly headSize: number
}

/** Queries [first, end) with the keys [0, end) that they see, and the scores' mask: [end - first, end]. */
export interface QueryBlock {
  readonly first: number
  readonly end: number
  readonly mask: tf.Tensor2D
}

/** Blocks of queries: what is in the future of a whole block is never computed. */
export function queryBlocks(context: number): QueryBlock[] {
  const size = Math.max(SMALLEST_BLOCK, Math.ceil(context / MOST_BLOCKS))
  return Array.from({ length: Math.ceil(context / size) }, (_, block) => {
    const first = block * size
    const end = Math.min(context, first + size)
    return { first, end, mask: causalMask(first, end) }
  })
}

/** Lets query t see the keys 0..t only. */
function causalMask(first: number, end: number): tf.Tensor2D {
  const values = new Float32Array((end - first) * end)
  for (let query = first; query < end; query++) {
    values.fill(MASKED, (query - first) * end + query + 1, (query - first + 1) * end)
  }
  return tf.tensor2d(values, [end - first, end])
}

/**
 * The definition, in plain operations.
 * @param q queries of all heads side by side, [T B, h k]; k and v likewise
 * @returns [T B, h k]
 */
export function plainCausalAttention(
  q: tf.Tensor2D,
  k: tf.Tensor2D,
  v: tf.Tensor2D,
  shape: AttentionShape,
): tf.Tensor2D {
  const [q_GTk, k_GTk, v_GTk] = [q, k, v].map((x) => byHead(x, shape))
  const scores_GTT = tf.mul(tf.matMul(q_GTk, k_GTk, false, true), scaleOf(shape))
  const weights_GTT = tf.softmax(tf.add(scores_GTT, causalMask(0, shape.context)))
  return tf.reshape(byPosition(tf.matMul(weights_GTT, v_GTk)), q.shape)
}

/** Equals plainCausalAttention. Weights are computed again for the gradient, so that they need not be kept. */
export function causalAttention(
  q: tf.Tensor2D,
  k: tf.Tensor2D,
  v: tf.Tensor2D,
  blocks: readonly QueryBlock[],
  shape: AttentionShape,
): tf.Tensor2D {
  const forward = () => {
    const [q_TGk, k_TGk, v_TGk] = [q, k, v].map((x) => toPositions(x, shape))
    const rows = blocks.map((block) => {
      const weights_Gqt = attentionWeights(q_TGk, k_TGk, block, shape)
      return byPosition(tf.matMul(weights_Gqt, seen(v_TGk, block)))
    })
    const value: tf.Tensor2D = tf.reshape(tf.concat(rows, 0), q.shape)
    return { value, saved: [q, k, v, value, ...blocks.map(({ mask }) => mask)] }
  }
  return withGradient([q, k, v], forward, (dy, [q, k, v, y, ...masks]) => {
    const kept = blocks.map((block, i) => ({ ...block, mask: masks[i] as tf.Tensor2D }))
    return attentionGradient(dy, [q, k, v, y], kept, shape)
  })
}

/** softmax(scale q k^T + mask) of a block's queries: [G, queries, keys]. */
function attentionWeights(
  q_TGk: tf.Tensor3D,
  k_TGk: tf.Tensor3D,
  block: QueryBlock,
  shape: AttentionShape,
): tf.Tensor3D {
  const scores_Gqt = tf.matMul(tf.mul(ownRows(q_TGk, block), scaleOf(shape)), seen(k_TGk, block), false, true)
  return tf.softmax(tf.add(scores_Gqt, block.mask)) as tf.Tensor3D
}

/**
 * With P the weights and dP = dy v^T: dS = P (dP - rowsum(dP P)), and rowsum(dP P) = rowsum(dy y), which is
 * the smaller sum (FlashAttention, arXiv 2205.14135, appendix B.4).
 */
function attentionGradient(
  dy: tf.Tensor2D,
  saved: tf.Tensor[],
  blocks: readonly QueryBlock[],
  shape: AttentionShape,
): tf.Tensor[] {
  const [q_TGk, k_TGk, v_TGk, y_TGk] = saved.map((x) => toPositions(x as tf.Tensor2D, shape))
  const dy_TGk = toPositions(dy, shape)
  const along_TG1 = tf.sum(tf.mul(dy_TGk, y_TGk), -1, true) as tf.Tensor3D
  const scale = scaleOf(shape)
  const parts = blocks.map((block) => {
    const weights_Gqt = attentionWeights(q_TGk, k_TGk, block, shape)
    const dy_Gqk = ownRows(dy_TGk, block)
    const dWeights_Gqt = tf.matMul(dy_Gqk, seen(v_TGk, block), false, true)
    const dScores_Gqt = tf.mul(weights_Gqt, tf.sub(dWeights_Gqt, ownRows(along_TG1, block)))
    const dq_Gqk = tf.mul(tf.matMul(dScores_Gqt, seen(k_TGk, block)), scale) as tf.Tensor3D
    const dk_Gtk = tf.mul(tf.matMul(dScores_Gqt, ownRows(q_TGk, block), true), scale) as tf.Tensor3D
    const dv_Gtk: tf.Tensor3D = tf.matMul(weights_Gqt, dy_Gqk, true)
    return { dq: byPosition(dq_Gqk), dk: byPosition(dk_Gtk), dv: byPosition(dv_Gtk) }
  })
  const gradients = [
    tf.concat(
      parts.map(({ dq }) => dq),
      0,
    ),
    addPrefixes(parts.map(({ dk }) => dk)),
    addPrefixes(parts.map(({ dv }) => dv)),
  ]
  return gradients.map((gradient_TGk) => tf.reshape(gradient_TGk, dy.shape))
}

/** The sum of tensors [t, G, k] of growing t, each standing for the first rows of the last. */
function addPrefixes(parts: readonly tf.Tensor3D[]): tf.Tensor3D {
  return parts.reduce((sum, part): tf.Tensor3D => {
    const known = sum.shape[0]
    const [prefix, rest] = tf.split(part, [known, part.shape[0] - known], 0)
    return tf.concat<tf.Tensor3D>([tf.add(sum, prefix), rest as tf.Tensor3D], 0)
  })
}

const scaleOf = ({ headSize }: AttentionShape): number => 1 / Math.sqrt(headSize)

/** [T B, h k] to [T, G, k]. */
function toPositions(x: tf.Tensor2D, { context, batch, heads }: AttentionShape): tf.Tensor3D {
  return tf.reshape(x, [context, batch * heads, -1])
}

/** The rows of the block's queries, by head: [T, G, n] to [G, queries, n]. */
function ownRows(x_TGn: tf.Tensor3D, { first, end }: QueryBlock): tf.Tensor3D {
  return tf.transpose(tf.slice(x_TGn, first, end - first), [1, 0, 2])
}

/** The rows that the block's queries see, by head: [T, G, k] to [G, keys, k]. */
function seen(x_TGk: tf.Tensor3D, { end }: QueryBlock): tf.Tensor3D {
  return tf.transpose(tf.slice(x_TGk, 0, end), [1, 0, 2])
}

/** [T B, h k] to [G, T, k]. */
function byHead(x: tf.Tensor2D, shape: AttentionShape): tf.Tensor3D {
  return tf.transpose(toPositions(x, shape), [1, 0, 2])
}

/** [G, t, k] to [t, G, k]. */
function byPosition(x_Gtk: tf.Tensor3D): tf.Tensor3D {
  return tf.transpose(x_Gtk, [1, 0, 2])
}
