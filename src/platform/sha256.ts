// SHA-256 as the project writes it, by Node's own code: in one go, or so that the event loop turns in between.
import { createHash, hash as digestOf } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { type Hash, hash, type Sha256 } from '../core/ids.js'

/** About 2 to 8 ms of hashing, an order below what a heartbeat would notice. */
const sliceBytes = 4 * 2 ** 20

export const sha256: Sha256 = (bytes) => hash(digestOf('sha256', bytes, 'hex'))

/** The same digest of something large, which must not change before the promise resolves. */
export async function sha256InSlices(bytes: Uint8Array): Promise<Hash> {
  const digest = createHash('sha256')
  for (let start = 0; start < bytes.byteLength; start += sliceBytes) {
    digest.update(bytes.subarray(start, start + sliceBytes))
    await setImmediate()
  }
  return hash(digest.digest('hex'))
}
