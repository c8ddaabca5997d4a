// How long an engine takes for a training step like those that it is wanted for.
import type { AdamwOptions } from '../model/adamw.js'
import type { ModelConfig } from '../model/config.js'
import { initialParameters, layoutOf } from '../model/parameters.js'
import { freshInner, type MakeEngine, madeTokens } from './self-check.js'

/** Steps timed after one that warms up; the fastest counts. */
const TIMED_STEPS = 3

/** Layers of the trial's model: what the others take is in proportion. */
const LAYERS = 2

/** Multiplications and additions of the trial's step, at most: a processor takes some tenths of a second for them. */
const OPERATIONS = 20e9

/**
 * Milliseconds of a step of the model, cut down where its own would take long.
 * @param rows sequences in a batch
 * @param enough no more is measured once a step took longer than so many milliseconds
 */
export async function stepTime(
  make: MakeEngine,
  model: ModelConfig,
  options: AdamwOptions,
  rows: number,
  enough: number,
): Promise<number> {
  const config = { ...model, layers: Math.min(model.layers, LAYERS) }
  const { size } = layoutOf(config)
  // Forward and backward passes multiply and add each parameter six times per token.
  const affordable = Math.floor(OPERATIONS / (6 * size * config.context))
  const tokens = madeTokens(config, Math.max(1, Math.min(rows, affordable)))
  const engine = await make(config, options)
  const session = engine.train(initialParameters(config, 1), freshInner(size))
  try {
    await session.step(tokens, 0)
    let fastest = Number.POSITIVE_INFINITY
    for (let step = 0; step < TIMED_STEPS; step++) {
      const start = performance.now()
      await session.step(tokens, 0)
      fastest = Math.min(fastest, performance.now() - start)
      if (fastest > enough) break
    }
    return fastest
  } finally {
    session.dispose()
  }
}
