// A GPT decoder: pre-norm blocks of causal attention and MLP, head tied to the token embedding (GPT-2).
// Shapes: B sequences, T positions, N = B T tokens, D residual width, A attention width, V vocabulary.
import * as tf from '@tensorflow/tfjs-core'
import type { Layout } from '../tensor/layout.js'
import type { ModelConfig } from './config.js'
import { type AttentionShape, causalAttention, causalMask } from './operations/attention.js'
import { embed } from './operations/embedding.js'
import { gelu } from './operations/gelu.js'
import { layerNorm } from './operations/layer-norm.js'
import { tiedCrossEntropy } from './operations/tied-cross-entropy.js'

/** Parameters by the names of the layout. */
export type Parameters = Readonly<Record<string, tf.Tensor>>

/** The tensors of a flat parameter buffer. */
export function unpack(theta_P: tf.Tensor1D, layout: Layout): Parameters {
  const named = layout.tensors.map(({ name, shape, offset, size }) => {
    return [name, tf.reshape(tf.slice(theta_P, offset, size), [...shape])] as const
  })
  return Object.fromEntries(named)
}

/** Residual stream after the last block, normalised: [B, T] token ids to [B T, D]. T may be below the context. */
export function decode(p: Parameters, tokens_BT: tf.Tensor2D, config: ModelConfig): tf.Tensor2D {
  const [B, T] = tokens_BT.shape
  const D = config.width
  const shape: AttentionShape = { batch: B, context: T, heads: config.heads, headSize: config.headSize }
  const mask_TT = causalMask(T)

  const tokens_ND = embed(p['embedding.tokens'] as tf.Tensor2D, tf.reshape(tokens_BT, [B * T]))
  const positions_TD = tf.slice(p['embedding.positions'] as tf.Tensor2D, [0, 0], [T, D])
  let x_ND = tf.reshape(tf.add(tf.reshape(tokens_ND, [B, T, D]), positions_TD), [B * T, D]) as tf.Tensor2D
  for (let layer = 0; layer < config.layers; layer++) {
    const attention = `block.${layer}.attention`
    const qkv = linear(p, `${attention}.in`, norm(p, `${attention}.norm`, x_ND))
    x_ND = tf.add(x_ND, linear(p, `${attention}.out`, causalAttention(qkv, mask_TT, shape)))
    const mlp = `block.${layer}.mlp`
    const hidden = gelu(linear(p, `${mlp}.in`, norm(p, `${mlp}.norm`, x_ND)))
    x_ND = tf.add(x_ND, linear(p, `${mlp}.out`, hidden))
  }
  return norm(p, 'norm', x_ND)
}

/** Mean cross-entropy in nats per token; each row of `tokens` gives T inputs and, shifted by one, T targets. */
export function crossEntropy(p: Parameters, tokens: tf.Tensor2D, config: ModelConfig): tf.Scalar {
  const [B, length] = tokens.shape
  const T = length - 1
  const inputs_BT = tf.slice(tokens, [0, 0], [B, T])
  const targets_N = tf.reshape(tf.slice(tokens, [0, 1], [B, T]), [B * T]) as tf.Tensor1D
  return tiedCrossEntropy(decode(p, inputs_BT, config), p['embedding.tokens'] as tf.Tensor2D, targets_N)
}

/** Logits of the next token from rows of the decoder's output: [N, D] to [N, V]. */
export function head(p: Parameters, x_ND: tf.Tensor2D): tf.Tensor2D {
  return tf.matMul(x_ND, p['embedding.tokens'] as tf.Tensor2D, false, true)
}

function linear(p: Parameters, name: string, x_ND: tf.Tensor2D): tf.Tensor2D {
  return tf.add(tf.matMul(x_ND, p[`${name}.weight`] as tf.Tensor2D), p[`${name}.bias`])
}

function norm(p: Parameters, name: string, x_ND: tf.Tensor2D): tf.Tensor2D {
  return layerNorm(x_ND, p[`${name}.gain`] as tf.Tensor1D, p[`${name}.offset`] as tf.Tensor1D)
}
