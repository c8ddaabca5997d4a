// The manifest of a contribution: what is known of it without its bytes.
import type { CodecName } from './codec-names.js'
import type { AssignmentId, Hash, Version } from './ids.js'

/** What a contribution is, without its bytes. */
export interface Manifest {
  readonly assignment: AssignmentId
  readonly base: Version
  readonly steps: number
  /** How the payload codes the pseudo-gradient. */
  readonly codec: CodecName
  /** What of the parameters it is of; absent where everything is sent at once. */
  readonly fragment?: number
  readonly payload: Hash
  readonly bytes: number
  readonly chunkBytes: number
  readonly chunks: readonly Hash[]
  /** Euclidean norm of what is sent. */
  readonly norm: number
  /** Measured local steps per second, emulated slowdown included. */
  readonly speed: number
  /** Mean training loss over the round, nats per token. */
  readonly loss: number
}
