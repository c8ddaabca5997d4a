// The digest by which peers compare and verify parameters.
import { nameOf } from '../core/content.js'
import type { Hash, Sha256 } from '../core/ids.js'
import { codecs } from './codec.js'

/** The name, as content, of a flat vector's bytes, fp32 little-endian, just as they travel. */
export function digestVector(values: Float32Array, sha256: Sha256): Hash {
  return nameOf(codecs.fp32.encode(values), sha256)
}
