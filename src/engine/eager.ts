// The eager engine: runs the model kernel by kernel on the current TensorFlow.js backend.
import * as tf from '@tensorflow/tfjs-core'
import { type AdamwOptions, biasCorrections, type InnerTensors } from '../model/adamw.js'
import type { ModelConfig } from '../model/config.js'
import { crossEntropy, decode, head, unpack } from '../model/gpt.js'
import { layoutOf } from '../model/parameters.js'
import { trainingStep } from '../model/step.js'
import type { InnerState } from '../ports/trainer.js'
import type { Layout } from '../tensor/layout.js'
import type { Backend } from './backends.js'
import {
  type Engine,
  type InferenceSession,
  isFiniteStep,
  type StepMetrics,
  type TrainingSession,
} from './engine.js'

export function eagerEngine(backend: Backend, config: ModelConfig, options: AdamwOptions): Engine {
  const layout = layoutOf(config)
  return {
    ...backend,
    train: (theta, inner) => new EagerTraining(theta, inner, config, layout, options),
    infer: (theta) => new EagerInference(theta, config, layout),
  }
}

class EagerTraining implements TrainingSession {
  #state: InnerTensors
  #updates: number

  constructor(
    theta: Float32Array,
    inner: InnerState,
    private readonly config: ModelConfig,
    private readonly layout: Layout,
    private readonly options: AdamwOptions,
  ) {
    this.#state = { theta: copyIn(theta), m: copyIn(inner.m), v: copyIn(inner.v) }
    this.#updates = inner.updates
  }

  async step(tokens: Int32Array, learningRate: number): Promise<StepMetrics> {
    const before = this.#state
    const [correction1, correction2] = biasCorrections(this.options, this.#updates + 1)
    const { theta, m, v, loss, norm } = tf.tidy(() => {
      const inputs = {
        ...before,
        tokens: rowsOf(tokens, this.config),
        learningRate: tf.scalar(learningRate),
        correction1: tf.scalar(correction1),
        correction2: tf.scalar(correction2),
      }
      return { ...trainingStep(inputs, this.config, this.layout, this.options) }
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
    private readonly config: ModelConfig,
    private readonly layout: Layout,
  ) {
    this.#theta = copyIn(theta)
  }

  async loss(tokens: Int32Array): Promise<number> {
    const loss = tf.tidy(() => {
      return crossEntropy(unpack(this.#theta, this.layout), rowsOf(tokens, this.config), this.config)
    })
    return readScalar(loss)
  }

  async nextLogits(tokens: readonly number[]): Promise<Float32Array> {
    const last_V = tf.tidy(() => {
      const ids = tf.tensor2d([...tokens], [1, tokens.length], 'int32')
      const parameters = unpack(this.#theta, this.layout)
      const x_TD = decode(parameters, ids, this.config)
      return head(parameters, tf.slice(x_TD, [tokens.length - 1, 0], [1, this.config.width]))
    })
    const values = await copyOut(last_V)
    last_V.dispose()
    return values
  }

  dispose(): void {
    this.#theta.dispose()
  }
}

function rowsOf(tokens: Int32Array, config: ModelConfig): tf.Tensor2D {
  const length = config.context + 1
  return tf.tensor2d(tokens, [tokens.length / length, length], 'int32')
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
