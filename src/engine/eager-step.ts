// One training step as eager engines take it: micro-batch by micro-batch, of which only the gradients are kept.
import * as tf from '@tensorflow/tfjs-core'
import type { AdamwOptions, InnerTensors, StepScalars } from '../model/adamw.js'
import type { ModelConfig } from '../model/config.js'
import { unpack } from '../model/gpt.js'
import { advance, type LossAndGradients, lossAndGradients, type StepOutputs } from '../model/step.js'
import type { Layout } from '../tensor/layout.js'
import { type MicroBatch, microBatches, tokensOf } from './micro-batches.js'

/** What a step is taken with, besides its tensors. */
export interface StepSettings {
  readonly config: ModelConfig
  readonly layout: Layout
  readonly options: AdamwOptions
  /** Rows taken at once, at most. */
  readonly microBatch: number
}

/** @param tokens rows of T + 1, flat */
export function eagerStep(
  inputs: InnerTensors & StepScalars,
  tokens: Int32Array,
  settings: StepSettings,
): StepOutputs {
  return tf.tidy(() => {
    const mean = tf.tidy(() => ({ ...differentiate(inputs.theta, tokens, settings) }))
    return { ...advance(inputs, mean, settings.layout, settings.options) }
  })
}

function differentiate(theta_P: tf.Tensor1D, tokens: Int32Array, settings: StepSettings): LossAndGradients {
  const { config, layout, microBatch } = settings
  const length = config.context + 1
  const parameters = unpack(theta_P, layout)
  const gradientOf = (part: MicroBatch) => {
    return lossAndGradients(parameters, rowsOf(tokensOf(tokens, part, length), config), config, layout)
  }
  const [first, ...rest] = microBatches(tokens.length / length, microBatch)
  let mean = tf.tidy(() => ({ ...gradientOf(first) }))
  for (const part of rest) {
    const before = mean
    mean = tf.tidy(() => ({ ...drawn(before, gradientOf(part), part) }))
    tf.dispose({ ...before })
  }
  return mean
}

/** A running mean drawn to a new micro-batch by its weight. */
function drawn(mean: LossAndGradients, next: LossAndGradients, { weight }: MicroBatch): LossAndGradients {
  const draw = <T extends tf.Tensor>(from: T, to: T): T => tf.add(from, tf.mul(tf.sub(to, from), weight))
  return {
    loss: draw(mean.loss, next.loss),
    gradients: mean.gradients.map((gradient, i) => draw(gradient, next.gradients[i])),
  }
}

/** Rows of T + 1 token ids as a tensor. */
export function rowsOf(tokens: Int32Array, config: ModelConfig): tf.Tensor2D {
  const length = config.context + 1
  return tf.tensor2d(tokens, [tokens.length / length, length], 'int32')
}
