// The state of one peer, and the turn in which `step` moves it on.
import type { Transfer } from '../outer/compression.js'
import type { RunConfig, StopConfig } from '../swarmfile/schema.js'
import type { CodecName } from './codec-names.js'
import type { Assignment, Entry, OuterEntry, Role } from './entries.js'
import type { Effect, HardState, ParentOffer } from './events.js'
import type { AssignmentId, Epoch, Hash, Index, PeerId, Term, Version } from './ids.js'
import type { Configuration, LedgerState } from './ledger.js'
import type { Log } from './log.js'
import type { Address, Farewell, LogPoint, Manifest, Message } from './messages.js'
import type { Report } from './reports.js'

/** What a peer is told once, before its first event. */
export interface PeerSetup {
  readonly self: {
    readonly id: PeerId
    readonly name: string
    readonly cluster: string
    readonly role: Role
    /** Multiaddrs at which others reach it. */
    readonly addresses: readonly string[]
  }
  readonly run: RunConfig
  /** The stop rule in force here; only a leader's counts. */
  readonly stop: StopConfig
  /** It made the run, and is its first voter. */
  readonly founder: PeerId
  readonly clusters: readonly string[]
  /** Sequences per shard, |D_i| of Eq. 2. */
  readonly shardSizes: readonly number[]
  /** Total local steps scheduled per shard, T_i of Eq. 3. */
  readonly scheduleSteps: readonly number[]
  readonly tokensPerStep: number
  /** Of the model. */
  readonly parameters: number
  /** What a replica holds before its first event: a new run's beginning, or what its disk kept. */
  readonly held: HeldState | null
}

export interface HeldState {
  readonly hard: HardState
  /** Of the newest durable snapshot; entries of the log after it are not known to be committed. */
  readonly ledger: LedgerState
  readonly digest: Hash
  readonly stateDigest: Hash
  readonly base: LogPoint
  readonly log: readonly Entry[]
  /** Payloads on disk. */
  readonly payloads: readonly Hash[]
}

/** A finished contribution that is here, or that was found wanting: whoever leads orders it. */
export interface Arrival {
  readonly from: PeerId
  readonly manifest: Manifest
  readonly problem: string | null
}

/** An outer step to take: a committed entry that changes theta, with the ledger's state after it. */
export interface OuterStep {
  readonly entry: OuterEntry
  readonly ledger: LedgerState
}

/** Holds the ledger and the outer state; the vectors themselves are outside. */
export interface Replica extends Log {
  /** The ledger's state after every committed entry. */
  readonly ledger: LedgerState
  /** Who votes, by the newest entry of the log that says so, committed or not. */
  readonly configuration: Configuration
  /** Up to here the log is known to be the leader's. */
  readonly matched: Index
  /** Entries that wait for the payload that the first of them names. */
  readonly waiting: { readonly entries: readonly Entry[]; readonly payload: Hash } | null
  /** Payloads that are durable here. */
  readonly payloads: Readonly<Record<Hash, true>>
  /** Contributions not settled yet, whoever leads. */
  readonly arrived: Readonly<Record<AssignmentId, Arrival>>
  /** Version whose vectors are held, with its digests. */
  readonly applied: Version
  readonly digest: Hash
  readonly stateDigest: Hash
  /** The states of the latest versions made here, oldest first: what it can be asked about. */
  readonly made: readonly { readonly version: Version; readonly stateDigest: Hash }[]
  readonly queue: readonly OuterStep[]
  readonly busy: boolean
  /** Outer steps in a row that could not be taken, for want of their payload. */
  readonly failures: number
  /** Why the next version cannot be made by anyone; the run ends at the one before. */
  readonly broken: string | null
  /** Why its vectors are not to be used: they are replaced by a snapshot. */
  readonly healing: string | null
  /** Where durable snapshots stand, oldest first: the newest, and the one before that stands in for it. */
  readonly saved: readonly LogPoint[]
  /** Up to here one was asked for last. */
  readonly saving: Index
}

export type WorkerPhase =
  | { readonly phase: 'idle' }
  /** `asked`: the base version was asked for; else it comes with the own outer state, or after the welcome. */
  | { readonly phase: 'fetching'; readonly assignment: Assignment; readonly asked: boolean }
  | {
      readonly phase: 'training'
      readonly assignment: Assignment
      readonly base: Version
      readonly step: number
    }

/** A finished round of the own worker. */
export interface Pending {
  readonly manifest: Manifest
  /** That it made; null while its verdict is not known. */
  readonly version: Version | null
  /** When it was published from here; null if that was before a restart. */
  readonly publishedAt: number | null
}

export interface Worker {
  readonly now: WorkerPhase
  /** Kept until judged; and until a version that has them is held, if rounds go on meanwhile. Oldest first. */
  readonly pending: readonly Pending[]
  /** How often the unsettled ones were offered again. */
  readonly offers: number
  /** Rounds given in advance, in order. */
  readonly ahead: readonly Assignment[]
  /** Assignments done with, oldest first. */
  readonly over: readonly AssignmentId[]
  /** The latest round that failed here, told again to a leader that still waits for it. */
  readonly gaveUp: { readonly assignment: AssignmentId; readonly reason: string } | null
  readonly speed: number | null
  /** How contributions are coded, and how long the latest took, where the run leaves the codec to the worker. */
  readonly codec: CodecName | null
  readonly transfers: readonly Transfer[]
}

/** What a leader knows of one replica. */
export interface Progress {
  /** The next entry to send. */
  readonly next: Index
  /** Durable there up to here. */
  readonly match: Index
  /** When entries were last sent. */
  readonly sentAt: number
  /** When the latest heartbeat that it answered was sent. */
  readonly beat: number
  /** Since when it has answered without a gap. */
  readonly steadySince: number
  /** Versions that its outer state lacked when it said so last; null if it holds none. */
  readonly behind: number | null
}

/** Two voters made different states of one version: all are asked. */
export interface Inquiry {
  readonly version: Version
  readonly answers: Readonly<Record<PeerId, Hash | null>>
  readonly since: number
}

/** What only a leader keeps; a successor starts it afresh from the ledger. */
export interface Lead {
  readonly term: Term
  /** The ledger's state after every entry of its log, committed or not. */
  readonly head: LedgerState
  /** Its own no-op is committed: it may change who votes. */
  readonly ready: boolean
  /** The own log is durable up to here. */
  readonly durable: Index
  readonly progress: Readonly<Record<PeerId, Progress>>
  readonly inquiry: Inquiry | null
  /** When the run began, by this peer's clock, and when this term of its own did. */
  readonly startedAt: number
  readonly since: number
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
  /** Of the swarm above: a round to take up, and when the latest was; the one whose report is being made. */
  readonly offer: ParentOffer | null
  readonly roundAt: number | null
  readonly reporting: AssignmentId | null
  /** Why the swarm above is at its end, once it is. */
  readonly over: { readonly reason: string; readonly ok: boolean } | null
}

export interface Validation {
  /** The first loss that is known here, and what was measured last. */
  readonly first: number | null
  readonly measured: { readonly version: Version; readonly loss: number } | null
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

/** A voter that does not lead, and wants to. */
export interface Campaign {
  readonly pre: boolean
  readonly term: Term
  readonly transfer: boolean
  /** Why it wants to, in words. */
  readonly reason: string
  readonly askedAt: number
  readonly granted: readonly PeerId[]
}

export interface PeerState {
  readonly setup: PeerSetup
  readonly epoch: Epoch
  readonly term: Term
  /** Who got this peer's vote in this term. */
  readonly vote: PeerId | null
  /** Null while nobody is known to lead. */
  readonly leader: PeerId | null
  readonly campaign: Campaign | null
  /** Everything local is there: asking to be taken in before would bring work that cannot be done. */
  readonly ready: boolean
  readonly connected: readonly PeerId[]
  /** Whether the leader took this peer in; asked again when it falls silent. */
  readonly joined: boolean
  readonly heardLeaderAt: number
  /** ms between the leader's latest signs of life, oldest first. */
  readonly gaps: readonly number[]
  /** ms that the run had been going on when the leader last spoke. */
  readonly elapsedMs: number
  /** The replicas and where they are, as the leader said last, and at which entry that was. */
  readonly replicas: readonly Address[]
  readonly replicasAt: Index
  /** Says that it leads, and may not as far as this peer knows: that one lies, or this one was away for long. */
  readonly stranger: PeerId | null
  /** Contributions that survived a restart, until a leader has the worker back. */
  readonly restored: readonly Manifest[]
  readonly replica: Replica | null
  /** A snapshot is on its way. */
  readonly installing: boolean
  readonly worker: Worker
  readonly lead: Lead | null
  /** What the leader announced last, oldest first. */
  readonly announced: readonly Announced[]
  readonly validation: Validation
  /** How often what was refused. */
  readonly refusals: Readonly<Record<string, number>>
  /** Why the run is over, once it is. */
  readonly finishing: { readonly reason: string; readonly ok: boolean } | null
  readonly saidFarewell: boolean
  /** Its user stops it: it hands over what it can. */
  readonly leaving: boolean
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
/** Says that something was not taken, and counts it. */
export function refuse(turn: Turn, what: string, from: string | null, reason: string): void {
  const { refusals } = turn.state
  change(turn, { refusals: { ...refusals, [what]: (refusals[what] ?? 0) + 1 } })
  report(turn, { type: 'refused', what, from, reason })
}
export function send(turn: Turn, to: PeerId, message: Message): void {
  turn.effects.push({ type: 'send', to, message })
}
/** To whoever leads; while nobody is known to, nobody hears it. */
export function toLeader(turn: Turn, message: Message): void {
  if (turn.state.leader !== null) send(turn, turn.state.leader, message)
}
