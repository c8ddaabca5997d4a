// A member that a leader took in, and what that leader says to it.
import type { Assignment, Entry } from '../../src/core/entries.js'
import { assignmentId } from '../../src/core/ids.js'
import type { Heartbeat, Welcome } from '../../src/core/messages.js'
import { Driven, digestOf, founder, ledgerOf, other, payloadOf, setupOf, third } from './driven.js'

/** The run that it comes into: the founder leads term 1 and holds the outer state with the third. */
export const ledger = ledgerOf([founder, third, other], [founder])
export const start = ledger.index

export const round: Assignment = {
  id: assignmentId(start + 1),
  worker: other,
  after: null,
  base: 0,
  baseDigest: digestOf(0),
  shard: 0,
  position: 0,
  steps: 10,
  deadlineMs: 60_000,
}
export const assign = (assignment: Assignment, index: number): Entry => ({
  kind: 'assign',
  assignment,
  speed: null,
  fastest: null,
  window: 1,
  index,
  term: 1,
})
export const apply = (index: number, assignment = assignmentId(index), version = 1): Entry => ({
  kind: 'apply',
  codec: 'fp32',
  assignment,
  worker: founder,
  payload: payloadOf(assignment),
  version,
  staleness: 0,
  weight: 1,
  steps: 10,
  speed: 10,
  loss: 1,
  index,
  term: 1,
})

export const fenced = { epoch: 0, term: 1 }
export const welcome = (changes: Partial<Welcome> = {}): Welcome => ({
  type: 'welcome',
  ...fenced,
  replica: false,
  replicas: [founder, third].map((peer) => ({ peer, addresses: [] })),
  replicasAt: start,
  revoked: [],
  snapshot: null,
  ...changes,
})
export const asReplica = { replica: true, snapshot: { version: 0, stateDigest: digestOf(0) } }
export const heartbeat = (changes: Partial<Heartbeat> = {}): Heartbeat => ({
  type: 'heartbeat',
  ...fenced,
  index: 0,
  version: 0,
  beat: 0,
  elapsedMs: 0,
  replicasAt: start,
  ...changes,
})
export const installed = {
  type: 'snapshot-installed',
  ledger,
  digest: digestOf(0),
  stateDigest: digestOf(0),
} as const

/** One that was taken in by the founder: a replica that has its snapshot, or a worker alone. */
export function member(replica: boolean): Driven {
  const driven = new Driven(setupOf(other)).start(founder, third)
  driven.from(founder, welcome(replica ? asReplica : {}))
  if (replica) driven.event(installed)
  return driven.clear()
}

/** Committed entries as a worker hears of them. */
export const entries = (driven: Driven, ...list: Entry[]) =>
  driven.from(founder, { type: 'entries', ...fenced, entries: list })

/** Entries for the log, and that they are committed. */
export function append(driven: Driven, list: readonly Entry[], term = 1): Driven {
  const [{ index }] = list
  const prev = { index: index - 1, term: 1 }
  const commit = index + list.length - 1
  driven.from(founder, { type: 'append', epoch: 0, term, prev, entries: list, commit: 0 })
  return driven.from(founder, heartbeat({ term, index: commit }))
}
