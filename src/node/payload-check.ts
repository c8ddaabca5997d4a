// Whether a payload is what its manifest says, looked at in slices, so that the thread does other work in between.
import { setImmediate } from 'node:timers/promises'
import type { CodecName } from '../core/codec-names.js'
import type { Manifest } from '../core/messages.js'
import { ContentHasher } from '../platform/content-name.js'
import type { Codec } from '../tensor/codec.js'
import { ContributionCheck } from '../tensor/contribution.js'
import { fragmentAt, lengthOf } from '../tensor/fragments.js'
import { sliceValues } from './slices.js'

/** What a run's payloads are like. */
export interface PayloadFormat {
  readonly parameters: number
  /** In which contributions are sent; 1 where everything is sent at once. */
  readonly fragments: number
  /** Those that the run allows. */
  readonly codecs: ReadonlyMap<CodecName, Codec>
}

/** Why no payload of a run has this codec and this size, in words; null if one may. */
export function formatProblem(
  { codec: name, fragment, bytes }: Pick<Manifest, 'codec' | 'fragment' | 'bytes'>,
  { parameters, fragments, codecs }: PayloadFormat,
): string | null {
  const codec = codecs.get(name)
  if ((fragment === undefined) !== (fragments === 1) || (fragment ?? 0) >= fragments)
    return `it is of fragment ${fragment ?? 'none'}, this run has ${fragments === 1 ? 'none' : fragments}`
  if (codec === undefined) return `its codec is ${name}, this run's ${[...codecs.keys()].join(' or ')}`
  const expected = codec.encodedBytes(valuesIn(fragment, parameters, fragments))
  return bytes === expected ? null : `its payload has ${bytes} bytes, not ${expected}`
}

/** Of all parameters, as they are. */
export const vectorBytes = ({ parameters }: Pick<PayloadFormat, 'parameters'>): number =>
  parameters * Float32Array.BYTES_PER_ELEMENT

/** No payload of a run has more: nor has theta, which is one where clusters report. */
export const mostPayloadBytes = ({ parameters, codecs }: PayloadFormat): number =>
  Math.max(
    vectorBytes({ parameters }),
    ...[...codecs.values()].map((codec) => codec.encodedBytes(parameters)),
  )

const valuesIn = (fragment: number | undefined, parameters: number, fragments: number): number =>
  lengthOf(fragmentAt(parameters, fragments, fragment ?? 0))

/** Why a contribution's payload is refused, in words; null if it is sound. It must not change meanwhile. */
export async function payloadProblem(
  manifest: Manifest,
  payload: Uint8Array,
  format: PayloadFormat,
): Promise<string | null> {
  const { parameters, fragments, codecs } = format
  const { fragment } = manifest
  const codec = codecs.get(manifest.codec)
  const problem = formatProblem({ codec: manifest.codec, fragment, bytes: payload.length }, format)
  if (problem !== null || codec === undefined) return problem
  const values = valuesIn(fragment, parameters, fragments)
  const hasher = new ContentHasher(payload.length)
  const check = new ContributionCheck()
  let malformed: string | null = null
  for (let from = 0; from < values; from += sliceValues) {
    if (from > 0) await setImmediate()
    const to = Math.min(from + sliceValues, values)
    const slice = payload.subarray(codec.encodedBytes(from), codec.encodedBytes(to))
    hasher.update(slice)
    try {
      if (malformed === null) check.add(codec.decode(slice, to - from))
    } catch (error) {
      malformed = `its payload is no ${codec.name}: ${(error as Error).message}`
    }
  }
  if (hasher.name() !== manifest.payload) return 'its payload does not match the hash in its manifest'
  return malformed ?? check.problem(manifest, values)
}
