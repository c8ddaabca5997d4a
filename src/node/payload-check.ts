// Whether a payload is what its manifest says, looked at in slices, so that the thread does other work in between.
import { setImmediate } from 'node:timers/promises'
import type { Manifest } from '../core/messages.js'
import { ContentHasher } from '../platform/content-name.js'
import { codecs } from '../tensor/codec.js'
import { ContributionCheck } from '../tensor/contribution.js'

/** Hashed, decoded and summed without a pause: a few milliseconds. */
const sliceBytes = 2 ** 20

/** Why a contribution's payload is refused, in words; null if it is sound. It must not change meanwhile. */
export async function payloadProblem(
  manifest: Manifest,
  payload: Uint8Array,
  parameters: number,
): Promise<string | null> {
  const codec = codecs[manifest.codec]
  const expected = codec.encodedBytes(parameters)
  if (payload.length !== expected) return `its payload has ${payload.length} bytes, not ${expected}`
  const perValue = codec.encodedBytes(1)
  const hasher = new ContentHasher(payload.length)
  const check = new ContributionCheck()
  for (let start = 0; start < payload.length; start += sliceBytes) {
    if (start > 0) await setImmediate()
    const slice = payload.subarray(start, start + sliceBytes)
    hasher.update(slice)
    check.add(codec.decode(slice, slice.length / perValue))
  }
  if (hasher.name() !== manifest.payload) return 'its payload does not match the hash in its manifest'
  return check.problem(manifest, parameters)
}
