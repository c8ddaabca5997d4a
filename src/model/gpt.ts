// A GPT decoder: pre-norm blocks of causal attention and MLP, head tied to the token embedding (GPT-2).
// Shapes: B sequences, T positions, N = B T tokens, D residual width, A attention width, V vocabulary.
import * as tf from '@tensorflow/tfjs-core'
import type { Layout } from '../tensor/layout.js'
import type { ModelConfig } from './config.js'
import { type AttentionShape, causalAttention, type QueryBlock, queryBlocks } from './operations/attention.js'
import { embed } from './operations/embedding.js'
import { gelu } from './operations/gelu.js'
import { layerNorm } from './operations/layer-norm.js'
import { tiedCrossEntropy, tiedCrossEntropyLoss } from './operations/tied-cross-entropy.js'

/** Parameters by the names of the layout. */
export type Parameters = Readonly<Record<string, tf.Tensor>>

/** The tensors of a flat parameter buffer. */
export function unpack(theta_P: tf.Tensor1D, layout: Layout): Parameters {
  const named = layout.tensors.map(({ name, shape, offset, size }) => {
    return [name, tf.reshape(tf.slice(theta_P, offset, size), [...shape])] as const
  })
  return Object.fromEntries(named)
}

/**
 * Residual stream after the last block, normalised: [T, B] token ids to [T B, D], rows by position first. T may be
 * below the context.
 */
export function decode(p: Parameters, tokens_TB: tf.Tensor2D, config: ModelConfig): tf.Tensor2D {
  const [T, B] = tokens_TB.shape
  const D = config.width
  const shape: AttentionShape = { context: T, batch: B, heads: config.heads, headSize: config.headSize }
  const blocks = queryBlocks(T)

  const tokens_ND = embed(p['embedding.tokens'] as tf.Tensor2D, tf.reshape(tokens_TB, [T * B]))
  const positions_TD = tf.slice(p['embedding.positions'] as tf.Tensor2D, [0, 0], [T, D])
  const positions_T1D = tf.reshape(positions_TD, [T, 1, D])
  let x_ND = tf.reshape(tf.add(tf.reshape(tokens_ND, [T, B, D]), positions_T1D), [T * B, D]) as tf.Tensor2D
  for (let layer = 0; layer < config.layers; layer++) {
    const attention = `block.${layer}.attention`
    x_ND = tf.add(x_ND, linear(p, `${attention}.out`, attend(p, attention, x_ND, blocks, shape)))
    const mlp = `block.${layer}.mlp`
    x_ND = tf.add(x_ND, expand(p, mlp, norm(p, `${mlp}.norm`, x_ND)))
  }
  return norm(p, 'norm', x_ND)
}

/** Mean cross-entropy in nats per token; each row of `tokens` gives T inputs and, shifted by one, T targets. */
export function crossEntropy(p: Parameters, tokens: tf.Tensor2D, config: ModelConfig): tf.Scalar {
  const { inputs_TB, targets_N } = shifted(tokens)
  return tiedCrossEntropy(decode(p, inputs_TB, config), p['embedding.tokens'] as tf.Tensor2D, targets_N)
}

/** Equals crossEntropy, and does less where no gradient is wanted. */
export function evaluate(p: Parameters, tokens: tf.Tensor2D, config: ModelConfig): tf.Scalar {
  const { inputs_TB, targets_N } = shifted(tokens)
  return tiedCrossEntropyLoss(decode(p, inputs_TB, config), p['embedding.tokens'] as tf.Tensor2D, targets_N)
}

/** [B, T + 1] token ids as inputs and targets, both by position first. */
function shifted(tokens: tf.Tensor2D): { inputs_TB: tf.Tensor2D; targets_N: tf.Tensor1D } {
  const [B, length] = tokens.shape
  const T = length - 1
  const byPosition: tf.Tensor2D = tf.transpose(tokens)
  const inputs_TB = tf.slice(byPosition, [0, 0], [T, B])
  return { inputs_TB, targets_N: tf.reshape(tf.slice(byPosition, [1, 0], [T, B]), [T * B]) }
}

/** Logits of the next token from rows of the decoder's output: [N, D] to [N, V]. */
export function head(p: Parameters, x_ND: tf.Tensor2D): tf.Tensor2D {
  return tf.matMul(x_ND, p['embedding.tokens'] as tf.Tensor2D, false, true)
}

function linear(p: Parameters, name: string, x_ND: tf.Tensor2D): tf.Tensor2D {
  return tf.add(tf.matMul(x_ND, p[`${name}.weight`] as tf.Tensor2D), p[`${name}.bias`])
}

/** Queries, keys and values lie side by side in one matrix; its parts are split, being smaller than its product. */
function attend(
  p: Parameters,
  name: string,
  x_ND: tf.Tensor2D,
  blocks: readonly QueryBlock[],
  shape: AttentionShape,
): tf.Tensor2D {
  const weights = tf.split(p[`${name}.in.weight`] as tf.Tensor2D, 3, 1)
  const biases = tf.split(p[`${name}.in.bias`] as tf.Tensor1D, 3)
  const input_ND = norm(p, `${name}.norm`, x_ND)
  const [q, k, v] = weights.map(
    (weight_DA, part) => tf.add(tf.matMul(input_ND, weight_DA), biases[part]) as tf.Tensor2D,
  )
  return causalAttention(q, k, v, blocks, shape)
}

/** Hidden values of an MLP taken at once, in bytes: passes over them then find them in the processor's caches. */
const HIDDEN_BYTES = 8 * 2 ** 20

/** The MLP, on as many rows at once as the hidden layer allows. */
function expand(p: Parameters, name: string, x_ND: tf.Tensor2D): tf.Tensor2D {
  const N = x_ND.shape[0]
  const hiddenBytes = N * p[`${name}.in.bias`].size * Float32Array.BYTES_PER_ELEMENT
  const mlp = (x_nD: tf.Tensor2D) => linear(p, `${name}.out`, gelu(linear(p, `${name}.in`, x_nD)))
  if (hiddenBytes <= HIDDEN_BYTES) return mlp(x_ND)
  const size = Math.ceil(N / Math.ceil(hiddenBytes / HIDDEN_BYTES))
  const sizes = Array.from({ length: Math.ceil(N / size) }, (_, i) => Math.min(size, N - i * size))
  return tf.concat(tf.split<tf.Tensor2D>(x_ND, sizes, 0).map((x_nD) => mlp(x_nD)))
}

function norm(p: Parameters, name: string, x_ND: tf.Tensor2D): tf.Tensor2D {
  return layerNorm(x_ND, p[`${name}.gain`] as tf.Tensor1D, p[`${name}.offset`] as tf.Tensor1D)
}
