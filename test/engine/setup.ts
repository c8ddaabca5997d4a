// A small training on made tokens, for tests of trainers.
import type { TrainerSetup } from '../../src/ports/trainer.js'
import { innerSchema, modelSchema } from '../../src/swarmfile/schema.js'

/** Tokens with a pattern that a tiny model learns within a few dozen steps, on shared memory. */
function patterned(length: number, vocabulary: number): Uint16Array {
  const tokens = new Uint16Array(new SharedArrayBuffer(length * Uint16Array.BYTES_PER_ELEMENT))
  for (let i = 1; i < length; i++) tokens[i] = (tokens[i - 1] * 3 + (i % 5 === 0 ? 2 : 1)) % vocabulary
  return tokens
}

export function tinySetup(changes: Partial<TrainerSetup> = {}): TrainerSetup {
  const vocabulary = 16
  return {
    model: modelSchema.parse({ preset: 'nano', width: 16, context: 12, layers: 1 }),
    inner: innerSchema.parse({ batch: 4, warmupSteps: 2, learningRate: 0.01 }),
    seed: 5,
    tokens: { train: patterned(2000, vocabulary), heldOut: patterned(500, vocabulary), vocabulary },
    shards: 2,
    scheduleSteps: [100, 100],
    engine: 'wasm',
    device: null,
    threads: 1,
    slowdown: 1,
    ...changes,
  }
}
