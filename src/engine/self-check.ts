// Compares training steps of a tiny model on an engine with what the same steps gave on TensorFlow.js's cpu backend.
import type { AdamwOptions } from '../model/adamw.js'
import { type ModelConfig, resolveModel } from '../model/config.js'
import { initialParameters } from '../model/parameters.js'
import type { InnerState } from '../ports/trainer.js'
import type { Engine, StepMetrics } from './engine.js'
import { UnusableEngine } from './unusable.js'

/** Makes an engine for a model; rows of a batch beyond `microBatch` are taken one part after another. */
export type MakeEngine = (
  config: ModelConfig,
  options: AdamwOptions,
  microBatch?: number,
) => Engine | Promise<Engine>

const options: AdamwOptions = { weightDecay: 0.1, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, clip: 1 }

/** Short sequences: it is checked at every start. */
const config = resolveModel({ preset: 'nano', context: 8 }, 64)
const ROWS = 2

/**
 * Of the cpu backend, known beforehand: half a second of every start would go into them. The first step tells of loss
 * and gradient; the second of the update between them.
 */
export const expectedSteps: readonly StepMetrics[] = [
  { loss: 4.184689998626709, norm: 2.9821858406066895 },
  { loss: 4.0105881690979, norm: 2.4029667377471924 },
]

/** Largest relative difference of loss and gradient norm: far above float32 rounding, far below an error. */
const TOLERANCE = 1e-4

/** @throws UnusableEngine when the engine cannot take the steps, or their losses or gradients differ */
export async function selfCheck(name: string, make: MakeEngine): Promise<void> {
  const actual = await stepsOf(make).catch((error: Error) => {
    throw failed(name, error.message)
  })
  for (const [step, metrics] of expectedSteps.entries()) {
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

/** The steps that are compared. */
export async function stepsOf(make: MakeEngine): Promise<readonly StepMetrics[]> {
  const engine = await make(config, options)
  const theta = initialParameters(config, 1)
  const session = engine.train(theta, freshInner(theta.length))
  try {
    const metrics: StepMetrics[] = []
    for (const _ of expectedSteps) metrics.push(await session.step(madeTokens(config, ROWS), 1e-3))
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
