// Digests by which peers compare what they hold: of theta, and of the whole outer state at a version.
import type { Hash, Version } from '../core/ids.js'
import type { OuterState } from '../outer/strategy.js'
import { codecs } from './codec.js'

/** SHA-256 as lower-case hex, handed in because this layer knows no platform. */
export type Sha256 = (bytes: Uint8Array) => Hash

export interface StateDigests {
  /** Of theta alone. */
  readonly digest: Hash
  /** Of theta, all slots, phase and version. */
  readonly stateDigest: Hash
}

/** SHA-256 of theta's bytes, fp32 little-endian, just as they travel. */
export function digestTheta(theta: Float32Array, sha256: Sha256): Hash {
  return sha256(codecs.fp32.encode(theta))
}

/**
 * Both digests of a state. The second is the hash of a text of one line each for version, phase, theta and every
 * slot in name order, vectors being named by their own digests: no copy of the whole state is made, and theta is
 * hashed once.
 */
export function digestState(state: OuterState, version: Version, sha256: Sha256): StateDigests {
  const digest = digestTheta(state.theta, sha256)
  const lines = [`version ${version}`, `phase ${state.phase}`, `theta ${digest}`]
  for (const name of Object.keys(state.slots).sort()) {
    lines.push(`slot ${name} ${digestTheta(state.slots[name], sha256)}`)
  }
  return { digest, stateDigest: sha256(new TextEncoder().encode(lines.join('\n'))) }
}
