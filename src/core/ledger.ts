// The part of the outer state that is not a vector: a deterministic function of the ledger's entries.
// Everything in it is plain data, so that a snapshot is its JSON.
import type { Assignment, ParentRound, Passage, Role, Verdict } from './entries.js'
import type { AssignmentId, Epoch, Index, PeerId, Term, Version } from './ids.js'
import type { Manifest } from './manifest.js'

export interface Member {
  readonly id: PeerId
  readonly name: string
  readonly cluster: string
  readonly addresses: readonly string[]
  readonly replica: boolean
  readonly role: Role
  /** False after an eviction, until admitted again. */
  readonly present: boolean
  /** It went by its own word, or was shut out: nobody waits for it. */
  readonly left: boolean
  /** Why it is shut out for good, if it is. */
  readonly revoked: string | null
  /** How it came in, where an invitation was needed. */
  readonly through: Passage | null
  /** Steps per second in the rehearsal before joining; counts until a round was measured. */
  readonly rehearsed: number | null
  /** Measured steps per second of the latest rounds, oldest first. */
  readonly speeds: readonly number[]
  /** Local steps applied. */
  readonly steps: number
  readonly contributions: number
  /** Assignments in a row that came to nothing: expired or refused. */
  readonly failures: number
  /** Contributions in a row that were refused. */
  readonly refusals: number
  /** How the worker's latest assignments ended, oldest first. */
  readonly settled: readonly Settlement[]
}

export interface Settlement {
  readonly assignment: AssignmentId
  readonly outcome: Verdict['kind']
  /** That it made, if it was applied. */
  readonly version: Version | null
}

/** A stretch of a shard, in local steps. */
export interface Interval {
  readonly position: number
  readonly steps: number
}

export interface Shard {
  /** Sequences in it, |D_i| of Eq. 2. */
  readonly size: number
  /** Local steps assigned from its start on; n_i is this minus what was given back, times the batch. */
  readonly reserved: number
  /** Intervals of lost workers, to be trained by others. */
  readonly returned: readonly Interval[]
}

/** Who votes. While `next` is there, majorities of both sets are needed. */
export interface Configuration {
  readonly voters: readonly PeerId[]
  readonly next: readonly PeerId[] | null
  /** Ledger index of the entry that made it; 0 of a run's first. */
  readonly index: Index
  readonly epoch: Epoch
}

/** Where a cluster stands in the swarm above it. */
export interface ParentState {
  /** Newest version of that swarm whose theta was taken in. */
  readonly version: Version
  /** Of the cluster, when it was taken in. */
  readonly epoch: Epoch
  /** What it works at there. */
  readonly round: ParentRound | null
  /** Contributions applied since the round was taken up or reported, and the sum of their losses. */
  readonly contributions: number
  readonly losses: number
  /** On its way there. */
  readonly report: Manifest | null
}

export interface LedgerState {
  readonly index: Index
  readonly term: Term
  readonly leader: PeerId | null
  /** ms that the run had been going on when the term began. */
  readonly elapsedMs: number
  readonly configuration: Configuration
  /** Index of the newest entry that changed who the replicas are. */
  readonly replicasAt: Index
  readonly version: Version
  readonly members: Readonly<Record<PeerId, Member>>
  /** Peers and invitations that were shut out for good, with the reason. */
  readonly revoked: Readonly<Record<PeerId, string>>
  readonly shards: readonly Shard[]
  /** Assignments not settled yet; of one worker, those given in advance continue each other. */
  readonly open: Readonly<Record<AssignmentId, Assignment>>
  /** Number of the latest grace window that led to assignments. */
  readonly window: number
  /** Local steps applied, all workers together. */
  readonly steps: number
  readonly staleness: { readonly sum: number; readonly max: number }
  readonly validation: {
    readonly first: number | null
    readonly last: { readonly version: Version; readonly loss: number } | null
  }
  /** Null until a round of a swarm above was taken up; for ever where there is none. */
  readonly parent: ParentState | null
  readonly finished: { readonly reason: string; readonly ok: boolean } | null
}

/** Before the first entry: the founder is the only voter. */
export function emptyLedger(shardSizes: readonly number[], founder: PeerId): LedgerState {
  return {
    index: 0,
    term: 0,
    leader: null,
    elapsedMs: 0,
    configuration: { voters: [founder], next: null, index: 0, epoch: 0 },
    replicasAt: 0,
    version: 0,
    members: {},
    revoked: {},
    shards: shardSizes.map((size) => ({ size, reserved: 0, returned: [] })),
    open: {},
    window: 0,
    steps: 0,
    staleness: { sum: 0, max: 0 },
    validation: { first: null, last: null },
    parent: null,
    finished: null,
  }
}

/** The worker's assignments that are not settled, oldest first: each but the first continues the one before. */
export function openAssignmentsOf(state: LedgerState, worker: PeerId): readonly Assignment[] {
  return Object.values(state.open).filter((assignment) => assignment.worker === worker)
}

/** Those who are given rounds. */
export function presentWorkers(state: LedgerState): readonly Member[] {
  return presentMembers(state).filter(({ role }) => role !== 'holder')
}

export function presentMembers(state: LedgerState): readonly Member[] {
  return Object.values(state.members).filter((member) => member.present)
}

/** The next stretch of a shard: what a lost worker left, before new ground. */
export function nextInterval(shard: Shard, steps: number): Interval {
  const left = shard.returned[0]
  return left === undefined
    ? { position: shard.reserved, steps }
    : { position: left.position, steps: Math.min(left.steps, steps) }
}

/** n_i of Eq. 2 in local steps: assigned and not given back. */
export function consumedSteps(shard: Shard): number {
  return shard.reserved - shard.returned.reduce((sum, interval) => sum + interval.steps, 0)
}
