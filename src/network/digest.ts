// SHA-256 as the project writes it, in one go or so that the event loop breathes in between.
import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { type Hash, hash } from '../core/ids.js'

/** About 2 to 8 ms of hashing, an order below what a heartbeat would notice. */
const SLICE_BYTES = 4 * 1024 * 1024

export const sha256 = (bytes: Uint8Array): Hash => hash(createHash('sha256').update(bytes).digest('hex'))

/** The same digest of something large. */
export async function sha256InSlices(bytes: Uint8Array): Promise<Hash> {
  const digest = createHash('sha256')
  for (let start = 0; start < bytes.byteLength; start += SLICE_BYTES) {
    digest.update(bytes.subarray(start, start + SLICE_BYTES))
    await setImmediate()
  }
  return hash(digest.digest('hex'))
}
