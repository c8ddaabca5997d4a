// How the ledger's entries change the part of the outer state that is not a vector: one entry after the other.
import { type Assignment, changesTheta, type Entry, type EntryOf } from './entries.js'
import type { Interval, LedgerState, Member, ParentState, Settlement, Shard } from './ledger.js'

/** Rehearsals that differ by more are of another engine or device: a busy machine does not change them so much. */
const likeSpeeds = 2

/** Verdicts kept per worker, to be told again: more than it can have rounds under way. */
const settledKept = 16

/** Measured speeds kept per worker; their median is its running estimate (Eq. 6 wants a robust one). */
const speedsKept = 5

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

function applyBody(state: LedgerState, entry: Entry): LedgerState {
  switch (entry.kind) {
    case 'no-op':
      return { ...state, leader: entry.leader, elapsedMs: entry.elapsedMs, finished: null }
    case 'configure': {
      const { voters, next, epoch, index } = entry
      return { ...state, configuration: { voters, next, epoch, index }, replicasAt: index }
    }
    case 'admit':
      return admit(state, entry)
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
        { ...member, present: false, left: true, revoked: entry.reason },
      )
    }
    case 'assign':
      return {
        ...reserve(state, entry.assignment),
        open: { ...state.open, [entry.assignment.id]: entry.assignment },
        window: entry.window,
      }
    case 'apply':
      return credit(state, entry)
    case 'refuse':
    case 'expire':
      return writeOff(state, entry)
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
    case 'merge':
      return takeIn(state, entry)
    case 'finish':
      return { ...state, finished: { reason: entry.reason, ok: entry.ok } }
  }
}

function admit(state: LedgerState, entry: EntryOf<'admit'>): LedgerState {
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

/** Whether a member comes back with a rehearsal to which its measured speeds no longer belong. */
function isOtherDevice({ rehearsed }: Member, speed: number | null): boolean {
  if (rehearsed === null || speed === null) return false
  return speed > rehearsed * likeSpeeds || speed * likeSpeeds < rehearsed
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

function credit(state: LedgerState, entry: EntryOf<'apply'>): LedgerState {
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

const collected = (parent: ParentState, loss: number): ParentState => ({
  ...parent,
  contributions: parent.contributions + 1,
  losses: parent.losses + loss,
})

function writeOff(state: LedgerState, entry: EntryOf<'refuse' | 'expire'>): LedgerState {
  const settled = giveBack(
    settle(state, { assignment: entry.assignment, outcome: entry.kind, version: null }),
    state.open[entry.assignment],
  )
  const member = settled.members[entry.worker]
  if (member === undefined) return settled
  const refusals = entry.kind === 'refuse' ? member.refusals + 1 : member.refusals
  return withMember(settled, { ...member, failures: member.failures + 1, refusals })
}

function takeIn(state: LedgerState, entry: EntryOf<'merge'>): LedgerState {
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

function checkVersion(state: LedgerState, entry: EntryOf<'apply' | 'merge'>): void {
  const expected = state.version + (changesTheta(entry) ? 1 : 0)
  if (entry.version === expected) return
  throw new Error(
    `Ledger entry ${entry.index} makes version ${entry.version}, after version ${state.version}.`,
  )
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

function withMember(state: LedgerState, member: Member): LedgerState {
  return { ...state, members: { ...state.members, [member.id]: member } }
}

function withShard(state: LedgerState, index: number, shard: Shard): LedgerState {
  return { ...state, shards: state.shards.map((old, i) => (i === index ? shard : old)) }
}
