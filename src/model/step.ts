// One training step as a pure function of tensors with static shapes: nothing is read back, counted or drawn
// inside, so that it runs eagerly and can equally be recorded and compiled.
import * as tf from '@tensorflow/tfjs-core'
import type { Layout } from '../tensor/layout.js'
import { type AdamwOptions, adamw, globalNorm, type InnerTensors, type StepScalars } from './adamw.js'
import type { ModelConfig } from './config.js'
import { crossEntropy, type Parameters, unpack } from './gpt.js'

export interface StepInputs extends InnerTensors, StepScalars {
  /** [B, T + 1] token ids. */
  readonly tokens: tf.Tensor2D
}

export interface StepOutputs extends InnerTensors {
  /** nats per token, before the update. */
  readonly loss: tf.Scalar
  /** Of the gradient, before clipping. */
  readonly norm: tf.Scalar
}

/**
 * Forward, backward, clip and AdamW. Where loss or gradient is not finite, theta, m and v come out unchanged and
 * the loss or the norm shows it.
 */
export function trainingStep(
  inputs: StepInputs,
  config: ModelConfig,
  layout: Layout,
  options: AdamwOptions,
): StepOutputs {
  const parameters = unpack(inputs.theta, layout)
  return advance(inputs, lossAndGradients(parameters, inputs.tokens, config, layout), layout, options)
}

/** The part of a step that follows once loss and gradients are known, however many batches they were taken from. */
export function advance(
  inputs: InnerTensors & StepScalars,
  { loss, gradients }: LossAndGradients,
  layout: Layout,
  options: AdamwOptions,
): StepOutputs {
  const norm = globalNorm(gradients)
  const g = tf.concat(gradients.map((gradient) => tf.reshape(gradient, [-1]))) as tf.Tensor1D
  const next = adamw(inputs, g, norm, inputs, layout.decayed, options)
  const finite = tf.logicalAnd(tf.isFinite(loss), tf.isFinite(norm))
  return {
    theta: tf.where(finite, next.theta, inputs.theta),
    m: tf.where(finite, next.m, inputs.m),
    v: tf.where(finite, next.v, inputs.v),
    loss,
    norm,
  }
}

/** Cross-entropy, nats per token, and its gradients by tensor, in the order of the layout. */
export interface LossAndGradients {
  readonly loss: tf.Scalar
  readonly gradients: tf.Tensor[]
}

export function lossAndGradients(
  parameters: Parameters,
  tokens: tf.Tensor2D,
  config: ModelConfig,
  layout: Layout,
): LossAndGradients {
  const names = layout.tensors.map((tensor) => tensor.name)
  const lossOf = (...leaves: tf.Tensor[]) => {
    return crossEntropy(Object.fromEntries(names.map((name, i) => [name, leaves[i]])), tokens, config)
  }
  const { value, grads } = tf.valueAndGrads(lossOf)(names.map((name) => parameters[name]))
  return { loss: value, gradients: grads }
}
