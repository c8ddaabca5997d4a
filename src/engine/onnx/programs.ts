// The programs of a training, traced from the model's own code with fixed shapes.
import * as tf from '@tensorflow/tfjs-core'
import { type AdamwOptions, adamw, type InnerTensors } from '../../model/adamw.js'
import type { ModelConfig } from '../../model/config.js'
import { decode, evaluate, head, type Parameters, unpack } from '../../model/gpt.js'
import { lossAndGradients, type StepInputs, trainingStep } from '../../model/step.js'
import type { Layout } from '../../tensor/layout.js'
import type { Graph } from '../trace/graph.js'
import { type TensorSpec, trace } from '../trace/trace.js'

/** What programs are traced for. */
export interface Model {
  readonly config: ModelConfig
  readonly layout: Layout
}

const float = (...shape: number[]): TensorSpec => ({ shape, dtype: 'float32' })
const scalar = float()

/** [rows, T + 1] token ids. */
const tokensOf = ({ config }: Model, rows: number): TensorSpec => ({
  shape: [rows, config.context + 1],
  dtype: 'int32',
})

/** Parameters by name, as inputs of their own. */
const leavesOf = ({ layout }: Model): Record<string, TensorSpec> =>
  Object.fromEntries(layout.tensors.map(({ name, shape }) => [name, float(...shape)]))

/** The gradient's part for a parameter, by name. */
export const gradientName = (parameter: string): string => `gradient.${parameter}`

/** Parameters and tokens to the loss, nats per token, and its gradient by parameter. */
export function traceGradient(model: Model, rows: number): Promise<Graph> {
  const { config, layout } = model
  return trace({ ...leavesOf(model), tokens: tokensOf(model, rows) }, (inputs) => {
    const tokens = inputs.tokens as tf.Tensor2D
    const { loss, gradients } = lossAndGradients(inputs as Parameters, tokens, config, layout)
    const named = layout.tensors.map(({ name }, i) => [gradientName(name), gradients[i]] as const)
    return { loss, ...Object.fromEntries(named) }
  })
}

/** theta [P] and tokens to the loss and its gradient [P]. */
export function traceFlatGradient(model: Model, rows: number): Promise<Graph> {
  const { config, layout } = model
  return trace({ theta: float(layout.size), tokens: tokensOf(model, rows) }, ({ theta, tokens }) => {
    const parameters = unpack(theta as tf.Tensor1D, layout)
    const { loss, gradients } = lossAndGradients(parameters, tokens as tf.Tensor2D, config, layout)
    return { loss, gradient: tf.concat(gradients.map((gradient) => tf.reshape(gradient, [-1]))) }
  })
}

/** One AdamW update of `size` parameters, of which the first `decayed` are decayed, by a gradient of known norm. */
export function traceUpdate(size: number, decayed: number, options: AdamwOptions): Promise<Graph> {
  const inputs = {
    theta: float(size),
    m: float(size),
    v: float(size),
    gradient: float(size),
    norm: scalar,
    learningRate: scalar,
    correction1: scalar,
    correction2: scalar,
  }
  return trace(inputs, (tensors) => {
    const state = tensors as unknown as StepInputs
    const next = adamw(
      state,
      tensors.gradient as tf.Tensor1D,
      tensors.norm as tf.Scalar,
      state,
      decayed,
      options,
    )
    return nextState(next)
  })
}

/** Outputs need names that no input has. */
function nextState({ theta, m, v }: InnerTensors) {
  return { nextTheta: theta, nextM: m, nextV: v }
}

/** A gradient [size] to the sum of its squares. */
export function traceSquares(size: number): Promise<Graph> {
  return trace({ gradient: float(size) }, ({ gradient }) => ({ squares: tf.sum(tf.square(gradient)) }))
}

/** theta drawn toward an anchor: theta - strength (theta - anchor), all [size]. */
export function tracePull(size: number): Promise<Graph> {
  return trace(
    { theta: float(size), anchor: float(size), strength: scalar },
    ({ theta, anchor, strength }) => {
      return { nextTheta: tf.sub(theta, tf.mul(tf.sub(theta, anchor), strength)) }
    },
  )
}

/** The whole step on flat tensors: forward, backward, clip and AdamW. */
export function traceStep(model: Model, rows: number, options: AdamwOptions): Promise<Graph> {
  const { config, layout } = model
  const inputs = {
    theta: float(layout.size),
    m: float(layout.size),
    v: float(layout.size),
    tokens: tokensOf(model, rows),
    learningRate: scalar,
    correction1: scalar,
    correction2: scalar,
  }
  return trace(inputs, (tensors) => {
    const outputs = trainingStep(tensors as unknown as StepInputs, config, layout, options)
    return { ...nextState(outputs), loss: outputs.loss, norm: outputs.norm }
  })
}

/** Parameters and tokens to the loss. */
export function traceEvaluation(model: Model, rows: number): Promise<Graph> {
  return trace({ ...leavesOf(model), tokens: tokensOf(model, rows) }, (inputs) => {
    return { loss: evaluate(inputs as Parameters, inputs.tokens as tf.Tensor2D, model.config) }
  })
}

/**
 * Parameters and T token ids to the logits [V] that follow position `last`. Positions after it are not seen by it,
 * whatever they hold, so that one program continues prompts of every length.
 */
export function traceNextLogits(model: Model): Promise<Graph> {
  const { config } = model
  const inputs = {
    ...leavesOf(model),
    tokens: { shape: [config.context, 1], dtype: 'int32' } as const,
    last: { shape: [1], dtype: 'int32' } as const,
  }
  return trace(inputs, (tensors) => {
    const parameters = tensors as Parameters
    const x_TD = decode(parameters, tensors.tokens as tf.Tensor2D, config)
    const logits_1V = head(parameters, tf.gather(x_TD, tensors.last as tf.Tensor1D))
    return { logits: tf.reshape(logits_1V, [config.vocabulary]) }
  })
}
