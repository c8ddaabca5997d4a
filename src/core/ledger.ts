// The part of the outer state that is not a vector: a deterministic function of the ledger's entries.
// Everything in it is plain data, so that a snapshot is its JSON.
import {
  type Assignment,
  changesTheta,
  type Entry,
  type ParentRound,
  type Passage,
  type Role,
  type Verdict,
} from './entries.js'
import type { AssignmentId, Epoch, Index, PeerId, Term, Version } from './ids.js'
import type { Manifest } from './manifest.js'

/** Rehearsals that differ by more are of another engine or device: a busy machine does not change them so much. */
const likeSpeeds = 2

/** Verdicts kept per worker, to be told again: more than it can have rounds under way. */
const settledKept = 16

/** Measured speeds kept per worker; their median is its running estimate (Eq. 6 wants a robust one). */
const speedsKept = 5

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

/** The state after one more entry. Throws on an entry out of order: the caller lost its place. */
export function applyEntry(state: LedgerState, entry: Entry): LedgerState {
  if (entry.index !== state.index + 1) {
    throw new Error(`Ledger entry ${entry.index} does not follow entry ${state.index}.`)
  }
  if (entry.term < state.term) {
    throw new Error(`Ledger entry ${entry.index} has term ${entry.term}, but term ${state.term} has begun.`)
  }
  return { ...applyBody(state, entry), index: entry.index, term: entry.term }
}

/** Whether a member comes back with a rehearsal to which its measured speeds no longer belong. */
function isOtherDevice({ rehearsed }: Member, speed: number | null): boolean {
  if (rehearsed === null || speed === null) return false
  return speed > rehearsed * likeSpeeds || speed * likeSpeeds < rehearsed
}

function applyBody(state: LedgerState, entry: Entry): LedgerState {
  switch (entry.kind) {
    case 'no-op':
      return { ...state, leader: entry.leader, elapsedMs: entry.elapsedMs, finished: null }
    case 'configure': {
      const { voters, next, epoch, index } = entry
      return { ...state, configuration: { voters, next, epoch, index }, replicasAt: index }
    }
    case 'admit': {
      const known = state.members[entry.peer]
      const changesReplicas = entry.replica || known?.replica === true
      const replicasAt = changesReplicas ? entry.index : state.replicasAt
      return withMember(
        { ...state, replicasAt },
        {
          id: entry.peer,
          name: entry.name,
          cluster: entry.cluster,
          addresses: entry.addresses,
          replica: entry.replica,
          role: entry.role,
          present: true,
          left: false,
          revoked: state.revoked[entry.peer] ?? null,
          through: entry.through ?? known?.through ?? null,
          rehearsed: entry.speed ?? known?.rehearsed ?? null,
          speeds: known === undefined || isOtherDevice(known, entry.speed) ? [] : known.speeds,
          steps: known?.steps ?? 0,
          contributions: known?.contributions ?? 0,
          failures: 0,
          refusals: 0,
          settled: known?.settled ?? [],
        },
      )
    }
    case 'evict': {
      const member = state.members[entry.peer]
      if (member === undefined) return state
      return withMember(state, { ...member, present: false, left: entry.left })
    }
    case 'revoke': {
      const revoked = { ...state.revoked, [entry.who]: entry.reason }
      const member = state.members[entry.who]
      if (member === undefined) return { ...state, revoked }
      return withMember(
        { ...state, revoked },
        {
          ...member,
          present: false,
          left: true,
          revoked: entry.reason,
        },
      )
    }
    case 'assign':
      return {
        ...reserve(state, entry.assignment),
        open: { ...state.open, [entry.assignment.id]: entry.assignment },
        window: entry.window,
      }
    case 'apply': {
      const { version } = entry
      checkVersion(state, entry)
      const settled = settle(state, { assignment: entry.assignment, outcome: 'apply', version })
      const member = settled.members[entry.worker]
      const credited =
        member === undefined
          ? settled
          : withMember(settled, {
              ...member,
              speeds: [...member.speeds, entry.speed].slice(-speedsKept),
              steps: member.steps + entry.steps,
              contributions: member.contributions + 1,
              failures: 0,
              refusals: 0,
            })
      return {
        ...credited,
        version,
        steps: state.steps + entry.steps,
        staleness: {
          sum: state.staleness.sum + entry.staleness,
          max: Math.max(state.staleness.max, entry.staleness),
        },
        parent: state.parent === null ? null : collected(state.parent, entry.loss),
      }
    }
    case 'refuse':
    case 'expire': {
      const settled = giveBack(
        settle(state, { assignment: entry.assignment, outcome: entry.kind, version: null }),
        state.open[entry.assignment],
      )
      const member = settled.members[entry.worker]
      if (member === undefined) return settled
      const refusals = entry.kind === 'refuse' ? member.refusals + 1 : member.refusals
      return withMember(settled, { ...member, failures: member.failures + 1, refusals })
    }
    case 'validate': {
      const { version, loss } = entry
      const { first, last } = state.validation
      if (last !== null && version <= last.version) return state
      return { ...state, validation: { first: first ?? loss, last: { version, loss } } }
    }
    case 'report':
      if (state.parent === null)
        throw new Error(`Ledger entry ${entry.index} reports, but there is no round.`)
      return { ...state, parent: { ...state.parent, report: entry.manifest, contributions: 0, losses: 0 } }
    case 'merge': {
      checkVersion(state, entry)
      const { round, version } = entry
      // What was collected while the report was on its way counts for the next one.
      const { contributions = 0, losses = 0 } = state.parent ?? {}
      return {
        ...state,
        version,
        parent: {
          version: round.base,
          epoch: state.configuration.epoch,
          round,
          contributions,
          losses,
          report: null,
        },
      }
    }
    case 'finish':
      return { ...state, finished: { reason: entry.reason, ok: entry.ok } }
  }
}

function checkVersion(state: LedgerState, entry: Extract<Entry, { kind: 'apply' | 'merge' }>): void {
  const expected = state.version + (changesTheta(entry) ? 1 : 0)
  if (entry.version === expected) return
  throw new Error(
    `Ledger entry ${entry.index} makes version ${entry.version}, after version ${state.version}.`,
  )
}

const collected = (parent: ParentState, loss: number): ParentState => ({
  ...parent,
  contributions: parent.contributions + 1,
  losses: parent.losses + loss,
})

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

function withMember(state: LedgerState, member: Member): LedgerState {
  return { ...state, members: { ...state.members, [member.id]: member } }
}

function withShard(state: LedgerState, index: number, shard: Shard): LedgerState {
  return { ...state, shards: state.shards.map((old, i) => (i === index ? shard : old)) }
}

function reserve(state: LedgerState, { shard: index, position, steps }: Assignment): LedgerState {
  const shard = state.shards[index]
  const left = shard.returned.find((interval) => interval.position === position)
  if (left === undefined) return withShard(state, index, { ...shard, reserved: position + steps })
  const rest = { position: position + steps, steps: left.steps - steps }
  const returned = shard.returned.flatMap((interval) =>
    interval !== left ? [interval] : rest.steps > 0 ? [rest] : [],
  )
  return withShard(state, index, { ...shard, returned })
}

function giveBack(state: LedgerState, assignment: Assignment | undefined): LedgerState {
  if (assignment === undefined) return state
  const shard = state.shards[assignment.shard]
  const interval = { position: assignment.position, steps: assignment.steps }
  return withShard(state, assignment.shard, joined({ ...shard, returned: [...shard.returned, interval] }))
}

/** Neighbouring intervals become one, and one at the end was never reserved: else they only ever get shorter. */
function joined(shard: Shard): Shard {
  const returned: Interval[] = []
  for (const interval of [...shard.returned].sort((a, b) => a.position - b.position)) {
    const last = returned.at(-1)
    if (last !== undefined && last.position + last.steps === interval.position)
      returned[returned.length - 1] = { position: last.position, steps: last.steps + interval.steps }
    else returned.push(interval)
  }
  const end = returned.at(-1)
  if (end === undefined || end.position + end.steps < shard.reserved) return { ...shard, returned }
  return { ...shard, reserved: end.position, returned: returned.slice(0, -1) }
}

function settle(state: LedgerState, settlement: Settlement): LedgerState {
  const { assignment: id } = settlement
  const { [id]: assignment, ...open } = state.open
  if (assignment === undefined) {
    throw new Error(`Assignment ${id} is settled a second time; the first verdict counts.`)
  }
  const member = state.members[assignment.worker]
  const settled = { ...state, open }
  return member === undefined
    ? settled
    : withMember(settled, { ...member, settled: [...member.settled, settlement].slice(-settledKept) })
}
