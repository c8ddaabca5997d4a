// The ledger's entries: everything that changes the outer state, in order. What depends on time, on
// randomness or on a local check enters the state only as data in an entry.
import type { AssignmentId, Hash, Index, PeerId, Term, Version } from './ids.js'

/** Local work given to one worker. */
export interface Assignment {
  readonly id: AssignmentId
  readonly worker: PeerId
  /** Version to start from, and the digest of its theta, by which a fetched copy is verified. */
  readonly base: Version
  readonly baseDigest: Hash
  readonly shard: number
  /** Local steps reserved on this shard before this round: the place in the data and in the schedule. */
  readonly position: number
  /** Local optimizer steps to take (DyLU, Eq. 6). */
  readonly steps: number
  /** Time the leader grants, in ms, as a duration: a new leader restarts it. */
  readonly deadlineMs: number
}

/** Grants the first leader of a term its place; nothing older may follow. */
export interface NoopEntry {
  readonly kind: 'no-op'
  readonly leader: PeerId
  readonly reason: string
}
/** Takes a peer into the run. */
export interface AdmitEntry {
  readonly kind: 'admit'
  readonly peer: PeerId
  readonly name: string
  readonly cluster: string
  readonly replica: boolean
  /** Local steps per second in the peer's rehearsal; null when it was not measured. */
  readonly speed: number | null
}
/** A peer is no longer counted on; it may be admitted again. */
export interface EvictEntry {
  readonly kind: 'evict'
  readonly peer: PeerId
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
/** Applies one contribution: the only kind of entry that changes theta. */
export interface ApplyEntry {
  readonly kind: 'apply'
  readonly assignment: AssignmentId
  readonly worker: PeerId
  readonly payload: Hash
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
export interface FinishEntry {
  readonly kind: 'finish'
  readonly reason: string
  /** False when training could not go on. */
  readonly ok: boolean
}

export type EntryBody =
  | NoopEntry
  | AdmitEntry
  | EvictEntry
  | AssignEntry
  | ApplyEntry
  | RefuseEntry
  | ExpireEntry
  | FinishEntry
export type Entry = EntryBody & { readonly index: Index; readonly term: Term }
/** Entries that end an assignment: the first one committed counts. */
export type Verdict = Extract<Entry, { kind: 'apply' | 'refuse' | 'expire' }>

export const isVerdict = (entry: Entry): entry is Verdict =>
  entry.kind === 'apply' || entry.kind === 'refuse' || entry.kind === 'expire'
