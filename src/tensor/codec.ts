// How a pseudo-gradient becomes bytes, by the codec its manifest names. The byte order is little-endian
// everywhere.
import type { CodecName } from '../core/codec-names.js'
import { bf16 } from './bf16.js'
import type { Codec } from './blocks.js'
import { fp32 } from './fp32.js'
import { int4 } from './int4.js'
import { int8 } from './int8.js'
import { topk } from './topk.js'

export type { CodecName } from '../core/codec-names.js'
export type { Codec } from './blocks.js'

/** What a run file says of compression, as far as bytes depend on it. */
export interface CodecChoice {
  readonly codec: CodecName | 'auto'
  /** Share of the values that top-k sends. */
  readonly density: number
}

/** Those that need no setting. */
export const codecs = { fp32, bf16, int8, int4 } as const

/** The codecs that a run's contributions may have, from the most exact to the shortest. */
export function codecsOf({ codec, density }: CodecChoice): ReadonlyMap<CodecName, Codec> {
  const all: Codec[] = [fp32, bf16, int8, int4, topk(density)]
  return new Map(
    all.filter(({ name }) => codec === 'auto' || name === codec).map((one) => [one.name, one] as const),
  )
}

/** @throws Error if the run does not allow it */
export function codecNamed(allowed: ReadonlyMap<CodecName, Codec>, name: CodecName): Codec {
  const codec = allowed.get(name)
  if (codec === undefined) throw new Error(`${name} is not a codec of this run`)
  return codec
}
