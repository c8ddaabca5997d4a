// The digest by which peers compare and verify parameters.
import type { Hash, Sha256 } from '../core/ids.js'
import { codecs } from './codec.js'

/** SHA-256 of a flat vector's bytes, fp32 little-endian, just as they travel. */
export function digestVector(values: Float32Array, sha256: Sha256): Hash {
  return sha256(codecs.fp32.encode(values))
}
