// Compares one training step of a tiny model on a backend with the same step on the cpu backend.
import * as tf from '@tensorflow/tfjs-core'
import { UserError } from '../core/user-error.js'
import type { AdamwOptions } from '../model/adamw.js'
import { resolveModel } from '../model/config.js'
import { initialParameters, layoutOf } from '../model/parameters.js'
import { trainingStep } from '../model/step.js'

const options: AdamwOptions = { weightDecay: 0.1, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, clip: 1 }

/** Largest relative difference of loss and gradient norm: far above float32 rounding, far below an error. */
const TOLERANCE = 1e-4

/**
 * Leaves `backend` the current one.
 * @throws UserError when it cannot take the step, or its loss or gradient differs
 */
export async function selfCheck(backend: string): Promise<void> {
  await import('@tensorflow/tfjs-backend-cpu')
  await tf.setBackend('cpu')
  const expected = await oneStep()
  await tf.setBackend(backend)
  const actual = await oneStep().catch((error: Error) => {
    throw failed(backend, error.message)
  })
  for (const quantity of ['loss', 'norm'] as const) {
    const difference = Math.abs(actual[quantity] / expected[quantity] - 1)
    if (difference <= TOLERANCE) continue
    throw failed(backend, `${quantity} ${actual[quantity]} instead of ${expected[quantity]}`)
  }
}

function failed(backend: string, why: string): UserError {
  const remedy = 'use another engine with --engine'
  return new UserError('engine', `${backend} fails its self-check: ${why}`, remedy)
}

async function oneStep(): Promise<{ loss: number; norm: number }> {
  const config = resolveModel({ preset: 'nano' }, 64)
  const layout = layoutOf(config)
  const theta = initialParameters(config, 1)
  const ids = Int32Array.from({ length: 2 * (config.context + 1) }, (_, i) => (i * 7) % config.vocabulary)
  const [loss, norm] = tf.tidy(() => {
    const inputs = {
      theta: tf.tensor1d(theta),
      m: tf.zeros([layout.size]) as tf.Tensor1D,
      v: tf.zeros([layout.size]) as tf.Tensor1D,
      tokens: tf.tensor2d(ids, [2, config.context + 1], 'int32'),
      learningRate: tf.scalar(1e-3),
      correction1: tf.scalar(1 - options.beta1),
      correction2: tf.scalar(1 - options.beta2),
    }
    const outputs = trainingStep(inputs, config, layout, options)
    return [outputs.loss, outputs.norm]
  })
  const metrics = { loss: (await loss.data())[0], norm: (await norm.data())[0] }
  tf.dispose([loss, norm])
  return metrics
}
