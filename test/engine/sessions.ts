// What tests of training sessions feed and compare.
import type { ModelConfig } from '../../src/model/config.js'
import { layoutOf } from '../../src/model/parameters.js'
import { randomStream } from '../../src/model/random.js'
import type { InnerState } from '../../src/ports/trainer.js'

/** Rows of T + 1 random tokens, low ones oftener, flat: the same for a step in every run. */
export function batchOf({ context, vocabulary }: ModelConfig, rows: number, step: number): Int32Array {
  const uniform = randomStream(11, step)
  return Int32Array.from({ length: rows * (context + 1) }, () => Math.floor(uniform() ** 3 * vocabulary))
}

/** AdamW's state before the first update. */
export function freshState(config: ModelConfig): InnerState {
  const { size } = layoutOf(config)
  return { m: new Float32Array(size), v: new Float32Array(size), updates: 0 }
}

/** Parameters and state as text that is equal only where all bits are. */
export function bitsOf({ theta, inner }: { theta: Float32Array; inner: InnerState }): string {
  const base64 = ({ buffer, byteOffset, byteLength }: Float32Array) =>
    Buffer.from(buffer, byteOffset, byteLength).toString('base64')
  return [theta, inner.m, inner.v].map(base64).join(' ') + ` ${inner.updates}`
}
