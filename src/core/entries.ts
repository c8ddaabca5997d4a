// The ledger's entries: everything that changes the outer state, in order. What depends on time, on
// randomness or on a local check enters the state only as data in an entry.

import type { CodecName } from './codec-names.js'
import type { AssignmentId, Epoch, Hash, Index, PeerId, Term, Version } from './ids.js'
import type { Manifest } from './manifest.js'

/** Local work given to one worker. */
export interface Assignment {
  readonly id: AssignmentId
  readonly worker: PeerId
  /** The round that it continues, given in advance; null if it starts from its base version alone. */
  readonly after: AssignmentId | null
  /** Version to start from, and the digest of its theta; a continuing round may start from a newer one. */
  readonly base: Version
  readonly baseDigest: Hash
  readonly shard: number
  /** Local steps reserved on this shard before this round: the place in the data and in the schedule. */
  readonly position: number
  /** Local optimizer steps to take (DyLU, Eq. 6). */
  readonly steps: number
  /** What the contribution is of; absent where everything is sent at once. */
  readonly fragment?: number
  /** Time the leader grants, in ms, as a duration: a new leader restarts it. */
  readonly deadlineMs: number
}

/** The first entry of every term: once it is committed, so is everything before it. */
export interface NoopEntry {
  readonly kind: 'no-op'
  readonly leader: PeerId
  /** How it came to lead, in words. */
  readonly reason: string
  /** ms that the run has been going on under leaders before this one. */
  readonly elapsedMs: number
}
/**
 * Changes who votes, in two steps: first both sets must agree (`next` is the new one), then the new set alone. In
 * force from the moment it stands in a log, committed or not.
 */
export interface ConfigureEntry {
  readonly kind: 'configure'
  readonly voters: readonly PeerId[]
  readonly next: readonly PeerId[] | null
  /** Raised by a recovery by force alone; whatever is said in an earlier epoch counts no more. */
  readonly epoch: Epoch
  readonly reason: string
}
/**
 * What a peer is there for: a `worker` trains and is made no replica, a `replica` trains and holds the outer state where
 * needed, a `holder` holds it and does not train.
 */
export type Role = 'worker' | 'replica' | 'holder'

/** The invitation by which a peer came in, named by its key, and the member that had signed it. */
export interface Passage {
  readonly invitation: PeerId
  readonly by: PeerId
}
/** Takes a peer into the run. */
export interface AdmitEntry {
  readonly kind: 'admit'
  readonly peer: PeerId
  readonly name: string
  readonly cluster: string
  readonly replica: boolean
  readonly role: Role
  /** Local steps per second in the peer's rehearsal; null when it was not measured. */
  readonly speed: number | null
  /** Multiaddrs at which it can be reached: whoever follows the ledger can call it. */
  readonly addresses: readonly string[]
  /** Null for the founder, and in a run that is open to everyone. */
  readonly through: Passage | null
}
/** A peer is no longer counted on; it may be admitted again. */
export interface EvictEntry {
  readonly kind: 'evict'
  readonly peer: PeerId
  /** It said so itself; else it fell silent. */
  readonly left: boolean
  readonly reason: string
}
/** A peer is shut out for good, what it sends is never taken again; or an invitation lets nobody in any more. */
export interface RevokeEntry {
  readonly kind: 'revoke'
  /** The peer, or the key that names the invitation. */
  readonly who: PeerId
  readonly reason: string
}
export interface AssignEntry {
  readonly kind: 'assign'
  readonly assignment: Assignment
  /** Steps per second: the worker's estimate and the swarm's fastest, from which `steps` follows. */
  readonly speed: number | null
  readonly fastest: number | null
  /** Number of the grace window whose closing made this assignment. */
  readonly window: number
}
/** Applies one contribution. */
export interface ApplyEntry {
  readonly kind: 'apply'
  readonly assignment: AssignmentId
  readonly worker: PeerId
  readonly payload: Hash
  /** How the payload is coded. */
  readonly codec: CodecName
  /** What it is of; absent where everything is sent at once. */
  readonly fragment?: number
  /** What theta becomes by it. */
  readonly version: Version
  readonly staleness: number
  /** Factor on the pseudo-gradient, computed once by the leader (1 unless the method discounts staleness). */
  readonly weight: number
  readonly steps: number
  /** Measured local steps per second. */
  readonly speed: number
  /** Mean training loss of the round, nats per token. */
  readonly loss: number
}
/** Settles an assignment without applying its contribution. */
export interface RefuseEntry {
  readonly kind: 'refuse'
  readonly assignment: AssignmentId
  readonly worker: PeerId
  readonly reason: string
}
/** Settles an assignment that did not come back in time; its shard interval is given again. */
export interface ExpireEntry {
  readonly kind: 'expire'
  readonly assignment: AssignmentId
  readonly worker: PeerId
  readonly reason: string
}
/** The loss of a version on the held-out part, as its validator measured it. */
export interface ValidateEntry {
  readonly kind: 'validate'
  readonly version: Version
  /** nats per token */
  readonly loss: number
}
/** What the cluster has moved by itself goes to the swarm above; its payload is held like a contribution's. */
export interface ReportEntry {
  readonly kind: 'report'
  /** Of the contribution to the swarm above: a successor sends the same. */
  readonly manifest: Manifest
}
/** The cluster takes up a round of the swarm above, and takes in the theta that it starts from. */
export interface MergeEntry {
  readonly kind: 'merge'
  readonly round: ParentRound
  /** Theta of the round's base version, fp32; null if that was taken in already. */
  readonly payload: Hash | null
  /** What was reported and applied there since the last merge; null if nothing was. */
  readonly sent: { readonly payload: Hash; readonly codec: CodecName } | null
  /** Whether the cluster gives up what it has moved by itself: it does not know what of that counts above already. */
  readonly afresh: boolean
  /** What theta becomes by it: the version before, if nothing is taken in. */
  readonly version: Version
}
/** A round of the swarm above, whose local steps are contributions of this cluster. */
export interface ParentRound {
  readonly id: AssignmentId
  readonly base: Version
  /** Contributions to collect before the cluster reports. */
  readonly steps: number
}
export interface FinishEntry {
  readonly kind: 'finish'
  readonly reason: string
  /** False when training could not go on. */
  readonly ok: boolean
}

export type EntryBody =
  | NoopEntry
  | ConfigureEntry
  | AdmitEntry
  | EvictEntry
  | RevokeEntry
  | AssignEntry
  | ApplyEntry
  | RefuseEntry
  | ExpireEntry
  | ValidateEntry
  | ReportEntry
  | MergeEntry
  | FinishEntry
export type Entry = EntryBody & { readonly index: Index; readonly term: Term }
export type EntryOf<Kind extends Entry['kind']> = Extract<Entry, { kind: Kind }>
/** Of which an outer step is taken: they change theta. */
export type OuterBody = ApplyEntry | (MergeEntry & { readonly payload: Hash })
export type OuterEntry = OuterBody & { readonly index: Index; readonly term: Term }
/** Entries that end an assignment: the first one committed counts. */
export type Verdict = EntryOf<'apply' | 'refuse' | 'expire'>

export const isVerdict = (entry: Entry): entry is Verdict =>
  entry.kind === 'apply' || entry.kind === 'refuse' || entry.kind === 'expire'

/** Whether the outer state is another after this entry. */
export const changesTheta = (entry: Entry): entry is OuterEntry =>
  entry.kind === 'apply' || (entry.kind === 'merge' && entry.payload !== null)

/** What an entry names must be durable wherever the entry is. */
export function payloadsOf(entry: EntryBody): readonly Hash[] {
  switch (entry.kind) {
    case 'apply':
      return [entry.payload]
    case 'report':
      return [entry.manifest.payload]
    case 'merge':
      return [entry.payload, entry.sent?.payload ?? null].filter((payload) => payload !== null)
    default:
      return []
  }
}
