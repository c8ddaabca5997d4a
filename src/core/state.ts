// The state of one peer, and the turn in which `step` moves it on.
import type { RunConfig, StopConfig } from '../swarmfile/schema.js'
import type { ApplyEntry, Assignment, Entry } from './entries.js'
import type { Effect } from './events.js'
import type { AssignmentId, Hash, Index, PeerId, Term, Version } from './ids.js'
import type { LedgerState } from './ledger.js'
import type { Farewell, Manifest } from './messages.js'
import type { Report } from './reports.js'

/** What a peer is told once, before its first event. */
export interface PeerSetup {
  readonly self: { readonly id: PeerId; readonly name: string; readonly cluster: string }
  readonly run: RunConfig
  /** The stop rule in force here; only a leader's counts. */
  readonly stop: StopConfig
  /** The configured voter set; for now the founder alone, who therefore leads. */
  readonly voters: readonly PeerId[]
  readonly clusters: readonly string[]
  /** Sequences per shard, |D_i| of Eq. 2. */
  readonly shardSizes: readonly number[]
  /** Total local steps scheduled per shard, T_i of Eq. 3. */
  readonly scheduleSteps: readonly number[]
  readonly tokensPerStep: number
  /** What a voter holds before its first event: a new run's beginning, or what its disk kept. */
  readonly held: HeldState | null
}

export interface HeldState {
  readonly ledger: LedgerState
  readonly log: readonly Entry[]
  readonly digest: Hash
  readonly stateDigest: Hash
}

/** Follows the ledger and holds the outer state; the vectors themselves are outside. */
export interface Replica {
  readonly ledger: LedgerState
  /** The latest entries, for those who are behind. */
  readonly log: readonly Entry[]
  /** Version whose vectors are held, with its digests. */
  readonly applied: Version
  readonly digest: Hash
  readonly stateDigest: Hash
  /** Committed applies whose outer step is not taken yet, with the ledger's state after each. */
  readonly queue: readonly {
    readonly entry: ApplyEntry & { index: Index; term: Term }
    readonly ledger: LedgerState
  }[]
  readonly busy: boolean
  /** Outer steps in a row that could not be taken, for want of their payload. */
  readonly failures: number
  /** Why the next version cannot be made by anyone; the run ends at the one before. */
  readonly broken: string | null
  /** When entries were last asked for; null when none are missing. */
  readonly askedAt: number | null
}

export type WorkerPhase =
  | { readonly phase: 'idle' }
  /** `asked`: the base version was asked for; else it comes with the own outer state, or after the welcome. */
  | { readonly phase: 'fetching'; readonly assignment: Assignment; readonly asked: boolean }
  | { readonly phase: 'training'; readonly assignment: Assignment; readonly step: number }
  | { readonly phase: 'offering'; readonly manifest: Manifest; readonly offers: number }

export interface Worker {
  readonly now: WorkerPhase
  /** Ledger index of the newest assignment seen: older ones are not taken up again. */
  readonly newest: Index
  /** The latest round that failed here, told again to a leader that still waits for it. */
  readonly gaveUp: { readonly assignment: AssignmentId; readonly reason: string } | null
  readonly speed: number | null
}

/** What only a leader keeps; a successor starts it afresh from the ledger. */
export interface Lead {
  readonly term: Term
  /** The ledger's state after every proposed entry, durable or not. */
  readonly head: LedgerState
  readonly proposed: readonly Entry[]
  readonly startedAt: number
  /** The latest own heartbeat: a gap shows that this process, not the others, stood still. */
  readonly beatAt: number
  /** Workers that may be assigned, in the order they arrived. */
  readonly idle: readonly PeerId[]
  readonly window: { readonly closesAt: number } | null
  /** The window is over; assigning waits only for the outer step. */
  readonly closing: boolean
  readonly gatherOver: boolean
  readonly heardAt: Readonly<Record<PeerId, number>>
  /** When this leader gave each open assignment; it knows no such time of its predecessors'. */
  readonly assignedAt: Readonly<Record<AssignmentId, number>>
  /** Until when workers whose latest round came to nothing get no other. */
  readonly resting: Readonly<Record<PeerId, number>>
  /** ms of the latest rounds that were neither training nor waiting: transfers and checks. */
  readonly overheads: readonly number[]
  /** Assignments whose payload is being pulled. */
  readonly pulling: readonly AssignmentId[]
  readonly farewells: Readonly<Record<PeerId, Farewell>>
}

export interface Validation {
  readonly first: number | null
  readonly last: { readonly version: Version; readonly loss: number } | null
  readonly running: Version | null
  /** The latest version that could not be validated. */
  readonly failed: Version | null
}

/** The digests of a version, as its leader has them. */
export interface Announced {
  readonly version: Version
  readonly digest: Hash
  readonly stateDigest: Hash
}

export interface PeerState {
  readonly setup: PeerSetup
  readonly term: Term
  readonly leader: PeerId
  /** Everything local is there: asking to be taken in before would bring work that cannot be done. */
  readonly ready: boolean
  readonly connected: readonly PeerId[]
  /** Whether the leader took this peer in; asked again when it falls silent. */
  readonly joined: boolean
  readonly heardLeaderAt: number
  readonly holding: AssignmentId | null
  readonly replica: Replica | null
  /** A snapshot is on its way. */
  readonly installing: boolean
  readonly worker: Worker
  readonly lead: Lead | null
  /** What the leader announced last, oldest first. */
  readonly announced: readonly Announced[]
  readonly validation: Validation
  /** Why the run is over, once it is. */
  readonly finishing: { readonly reason: string; readonly ok: boolean } | null
  readonly saidFarewell: boolean
  readonly ended: boolean
}

/** One call of `step`: handlers replace `state` and add effects; nothing they touch is shared with the caller. */
export interface Turn {
  state: PeerState
  readonly effects: Effect[]
  readonly at: number
}

export function change(turn: Turn, changes: Partial<PeerState>): void {
  turn.state = { ...turn.state, ...changes }
}
export function changeLead(turn: Turn, changes: Partial<Lead>): void {
  if (turn.state.lead !== null) change(turn, { lead: { ...turn.state.lead, ...changes } })
}
export function changeReplica(turn: Turn, changes: Partial<Replica>): void {
  if (turn.state.replica !== null) change(turn, { replica: { ...turn.state.replica, ...changes } })
}
export function changeWorker(turn: Turn, changes: Partial<Worker>): void {
  change(turn, { worker: { ...turn.state.worker, ...changes } })
}
export function emit(turn: Turn, ...effects: Effect[]): void {
  turn.effects.push(...effects)
}
export function report(turn: Turn, record: Report): void {
  turn.effects.push({ type: 'report', report: record })
}
