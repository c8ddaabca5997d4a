// The eager engine: runs the model kernel by kernel on the current TensorFlow.js backend.
import * as tf from '@tensorflow/tfjs-core'
import { type AdamwOptions, biasCorrections, type InnerTensors } from '../model/adamw.js'
import type { ModelConfig } from '../model/config.js'
import { decode, evaluate, head, unpack } from '../model/gpt.js'
import { layoutOf } from '../model/parameters.js'
import type { InnerState } from '../ports/trainer.js'
import type { Backend } from './backends.js'
import { eagerStep, rowsOf, type StepSettings } from './eager-step.js'
import {
  type Engine,
  type InferenceSession,
  isFiniteStep,
  type StepMetrics,
  type TrainingSession,
} from './engine.js'
import { meanOverParts } from './micro-batches.js'

/** @param microBatch rows taken at once, at most */
export function eagerEngine(
  backend: Backend,
  config: ModelConfig,
  options: AdamwOptions,
  microBatch = Number.POSITIVE_INFINITY,
): Engine {
  const settings = { config, layout: layoutOf(config), options, microBatch }
  return {
    ...backend,
    train: (theta, inner) => new EagerTraining(theta, inner, settings),
    infer: (theta) => new EagerInference(theta, settings),
  }
}

class EagerTraining implements TrainingSession {
  #state: InnerTensors
  #updates: number

  constructor(
    theta: Float32Array,
    inner: InnerState,
    private readonly settings: StepSettings,
  ) {
    this.#state = { theta: copyIn(theta), m: copyIn(inner.m), v: copyIn(inner.v) }
    this.#updates = inner.updates
  }

  async step(tokens: Int32Array, learningRate: number): Promise<StepMetrics> {
    const before = this.#state
    const [correction1, correction2] = biasCorrections(this.settings.options, this.#updates + 1)
    const { theta, m, v, loss, norm } = tf.tidy(() => {
      const scalars = {
        learningRate: tf.scalar(learningRate),
        correction1: tf.scalar(correction1),
        correction2: tf.scalar(correction2),
      }
      return { ...eagerStep({ ...before, ...scalars }, tokens, this.settings) }
    })
    this.#state = { theta, m, v }
    tf.dispose([before.theta, before.m, before.v])
    const metrics = { loss: await readScalar(loss), norm: await readScalar(norm) }
    if (isFiniteStep(metrics)) this.#updates += 1
    return metrics
  }

  async read(): Promise<{ theta: Float32Array; inner: InnerState }> {
    const { theta, m, v } = this.#state
    const [thetaCopy, mCopy, vCopy] = await Promise.all([copyOut(theta), copyOut(m), copyOut(v)])
    return { theta: thetaCopy, inner: { m: mCopy, v: vCopy, updates: this.#updates } }
  }

  dispose(): void {
    tf.dispose([this.#state.theta, this.#state.m, this.#state.v])
  }
}

class EagerInference implements InferenceSession {
  readonly #theta: tf.Tensor1D

  constructor(
    theta: Float32Array,
    private readonly settings: StepSettings,
  ) {
    this.#theta = copyIn(theta)
  }

  loss(tokens: Int32Array): Promise<number> {
    const { config, layout, microBatch } = this.settings
    return meanOverParts(tokens, config.context + 1, microBatch, (part) => {
      return readScalar(tf.tidy(() => evaluate(unpack(this.#theta, layout), rowsOf(part, config), config)))
    })
  }

  async nextLogits(tokens: readonly number[]): Promise<Float32Array> {
    const { config, layout } = this.settings
    const last_V = tf.tidy(() => {
      const ids = tf.tensor2d([...tokens], [tokens.length, 1], 'int32')
      const parameters = unpack(this.#theta, layout)
      const x_TD = decode(parameters, ids, config)
      return head(parameters, tf.slice(x_TD, [tokens.length - 1, 0], [1, config.width]))
    })
    const values = await copyOut(last_V)
    last_V.dispose()
    return values
  }

  dispose(): void {
    this.#theta.dispose()
  }
}

/** A tensor of its own: some backends keep, rather than copy, the array they are given. */
function copyIn(values: Float32Array): tf.Tensor1D {
  return tf.tensor1d(values.slice())
}

async function copyOut(tensor: tf.Tensor): Promise<Float32Array> {
  return Float32Array.from(await tensor.data<'float32'>())
}

async function readScalar(tensor: tf.Scalar): Promise<number> {
  const [value] = await tensor.data()
  tensor.dispose()
  return value
}
