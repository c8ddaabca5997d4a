// Codes a round's pseudo-gradient where it comes from, in the training thread: it takes as long as a step or two.
import { sha256 } from '../platform/sha256.js'
import type { Coded, Uncoded } from '../ports/trainer.js'
import { codecsOf } from '../tensor/codec.js'
import { compress } from '../tensor/error-feedback.js'
import { firstNonFinite } from '../tensor/vector.js'
import { cutOf } from '../wire/chunks.js'

/** @throws Error if the pseudo-gradient, or what is to be sent, is not finite */
export function code({ gradient, residual, codec: name, fragment, density }: Uncoded): Coded {
  const codec = codecsOf({ codec: name, density }).get(name)
  if (codec === undefined) throw new Error(`there is no codec ${name}`)
  const bad = firstNonFinite(gradient)
  if (bad >= 0) throw new Error(`the pseudo-gradient is ${gradient[bad]} at parameter ${bad}; it is not sent`)
  const { payload, norm, residual: made } = compress(gradient, residual, codec, fragment)
  if (!Number.isFinite(norm)) throw new Error('the pseudo-gradient is too large to be coded; it is not sent')
  return { payload, cut: cutOf(payload, sha256), norm, residual: made?.after ?? null }
}
