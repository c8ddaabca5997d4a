// What peers say to each other. Control messages travel on direct streams; `publish` ones on gossip topics.
// Tensors never ride in a message: they are named by hash and travel in chunks.
import type { Entry } from './entries.js'
import type { AssignmentId, Hash, Index, Term, Version } from './ids.js'

/** What a contribution is, without its bytes. */
export interface Manifest {
  readonly assignment: AssignmentId
  readonly base: Version
  readonly steps: number
  /** How the payload codes the pseudo-gradient. */
  readonly codec: 'fp32'
  readonly payload: Hash
  readonly bytes: number
  readonly chunkBytes: number
  readonly chunks: readonly Hash[]
  /** Euclidean norm of the pseudo-gradient. */
  readonly norm: number
  /** Measured local steps per second, emulated slowdown included. */
  readonly speed: number
  /** Mean training loss over the round, nats per token. */
  readonly loss: number
}

/** leader -> members: I lead this term, and this is how far the ledger is. */
export interface Heartbeat {
  readonly type: 'heartbeat'
  readonly term: Term
  readonly index: Index
  readonly version: Version
}
/** member -> leader, the answer to a heartbeat: what I am doing, what I know. */
export interface Pulse {
  readonly type: 'pulse'
  readonly term: Term
  readonly index: Index
  /** The version held and the digest of its outer state; null while nothing is held. */
  readonly held: { readonly version: Version; readonly stateDigest: Hash } | null
  readonly phase: 'idle' | 'fetching' | 'training' | 'offering'
  readonly assignment: AssignmentId | null
  readonly step: number
}
/** peer -> leader: take me in. */
export interface Join {
  readonly type: 'join'
  readonly name: string
  readonly cluster: string
  /** Local steps per second measured by a short rehearsal; null when it was not measured. */
  readonly speed: number | null
  /** The assignment it is at: one that a restart left it, or that it went on with while the leader was away. */
  readonly holding: AssignmentId | null
  /** Ledger index of the replica it still holds, if any. */
  readonly index: Index | null
}
/** leader -> peer: you are in; start from this snapshot. */
export interface Welcome {
  readonly type: 'welcome'
  readonly term: Term
  readonly replica: boolean
  /** Outer state for a replica to fetch; null if what it holds can be brought up to date by entries. */
  readonly snapshot: { readonly version: Version; readonly stateDigest: Hash } | null
}
/** leader -> peer: you are not taken in, and why. */
export interface TurnedAway {
  readonly type: 'turned-away'
  readonly term: Term
  readonly reason: string
}
/** Ledger entries in order, by gossip or as the answer to `want-entries`. */
export interface Entries {
  readonly type: 'entries'
  readonly term: Term
  readonly entries: readonly Entry[]
}
export interface WantEntries {
  readonly type: 'want-entries'
  readonly from: Index
}
/** leader -> all: this version exists, and its state has these digests. */
export interface VersionReady {
  readonly type: 'version'
  readonly term: Term
  readonly version: Version
  /** Digest of theta alone. */
  readonly digest: Hash
  /** Digest of the whole outer state. */
  readonly stateDigest: Hash
}
/** worker -> leader: offers a finished contribution (again), to be pulled by hash. */
export interface Offer {
  readonly type: 'offer'
  readonly manifest: Manifest
}
/** worker -> leader: this round failed here and will not come. */
export interface GiveUp {
  readonly type: 'give-up'
  readonly assignment: AssignmentId
  readonly reason: string
}
/** validator -> leader. */
export interface Validated {
  readonly type: 'validated'
  readonly version: Version
  /** nats per token on the held-out part. */
  readonly loss: number
}
/** member -> leader: I leave. */
export interface Leave {
  readonly type: 'leave'
  readonly reason: string
}
/** member -> leader, once at the end of a run. */
export interface Farewell {
  readonly type: 'farewell'
  /** Share of wall-clock spent in local steps, and the part of it that emulates a slower device. */
  readonly utilisation: number
  readonly emulated: number
  readonly bytesSent: Readonly<Record<string, number>>
  readonly interClusterBytes: number
}

/** What only a leader says; each names its term. */
export type LeaderMessage = Heartbeat | Welcome | TurnedAway | Entries | VersionReady
/** What is said to a leader. */
export type MemberMessage = Pulse | Join | WantEntries | Offer | GiveUp | Validated | Leave | Farewell
export type Message = LeaderMessage | MemberMessage

/** Gossip topics by what they carry; the network scopes them to the run. */
export type Topic =
  | { readonly kind: 'ledger' }
  | { readonly kind: 'assignments'; readonly cluster: string }
  | { readonly kind: 'gradients'; readonly cluster: string }
