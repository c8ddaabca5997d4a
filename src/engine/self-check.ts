// Compares training steps of a tiny model on an engine with the same steps on TensorFlow.js's cpu backend.
import * as tf from '@tensorflow/tfjs-core'
import type { AdamwOptions } from '../model/adamw.js'
import { type ModelConfig, resolveModel } from '../model/config.js'
import { initialParameters } from '../model/parameters.js'
import type { InnerState } from '../ports/trainer.js'
import { openBackend } from './backends.js'
import { eagerEngine } from './eager.js'
import type { Engine, StepMetrics } from './engine.js'
import { UnusableEngine } from './unusable.js'

/** Makes an engine for a model; rows of a batch beyond `microBatch` are taken one part after another. */
export type MakeEngine = (
  config: ModelConfig,
  options: AdamwOptions,
  microBatch?: number,
) => Engine | Promise<Engine>

const options: AdamwOptions = { weightDecay: 0.1, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, clip: 1 }

/** Short sequences: the backend compared with takes most of the time. */
const config = resolveModel({ preset: 'nano', context: 8 }, 64)
const ROWS = 2

/** The first step tells of loss and gradient; the second of the update between them. */
const STEPS = 2

/** Largest relative difference of loss and gradient norm: far above float32 rounding, far below an error. */
const TOLERANCE = 1e-4

/** @throws UnusableEngine when the engine cannot take the steps, or their losses or gradients differ */
export async function selfCheck(name: string, make: MakeEngine): Promise<void> {
  const expected = await onCpu()
  const actual = await stepsOf(make).catch((error: Error) => {
    throw failed(name, error.message)
  })
  for (const [step, metrics] of expected.entries()) {
    for (const quantity of ['loss', 'norm'] as const) {
      const difference = Math.abs(actual[step][quantity] / metrics[quantity] - 1)
      if (difference <= TOLERANCE) continue
      const [was, instead] = [actual[step][quantity], metrics[quantity]].map((value) => value.toPrecision(6))
      throw failed(name, `${quantity} ${was} instead of ${instead}`)
    }
  }
}

function failed(name: string, how: string): UnusableEngine {
  const why = `fails its self-check: ${how}`
  return new UnusableEngine(why, `${name} ${why}`, 'use another engine with --engine')
}

let known: Promise<readonly StepMetrics[]> | null = null

/** Leaves the current backend as it was. */
function onCpu(): Promise<readonly StepMetrics[]> {
  known ??= (async () => {
    const previous = tf.getBackend()
    const backend = await openBackend('cpu', 1)
    try {
      return await stepsOf((model, adamw) => eagerEngine(backend, model, adamw))
    } finally {
      if (previous) await tf.setBackend(previous)
    }
  })()
  return known
}

async function stepsOf(make: MakeEngine): Promise<readonly StepMetrics[]> {
  const engine = await make(config, options)
  const theta = initialParameters(config, 1)
  const session = engine.train(theta, freshInner(theta.length))
  try {
    const metrics: StepMetrics[] = []
    for (let step = 0; step < STEPS; step++) metrics.push(await session.step(madeTokens(config, ROWS), 1e-3))
    return metrics
  } finally {
    session.dispose()
  }
}

/** AdamW's state before the first update. */
export function freshInner(size: number): InnerState {
  return { m: new Float32Array(size), v: new Float32Array(size), updates: 0 }
}

/** Rows of T + 1 tokens, flat, of which no two in a row are the same. */
export function madeTokens({ context, vocabulary }: ModelConfig, rows: number): Int32Array {
  return Int32Array.from({ length: rows * (context + 1) }, (_, i) => (i * 7) % vocabulary)
}
