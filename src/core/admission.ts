// Who is taken into the run, and what a peer is told that comes, comes back, or missed something.
import { enlist } from './assigning.js'
import type { Assignment } from './entries.js'
import type { Index, PeerId } from './ids.js'
import { openAssignmentOf, presentMembers } from './ledger.js'
import type { Join } from './messages.js'
import { nameOf, propose, sendEntries } from './proposals.js'
import { changeLead, emit, report, type Turn } from './state.js'
import { workerOnEntry } from './worker.js'

/** Admits a peer, or tells one that is in already where things stand. */
export function onJoin(turn: Turn, from: PeerId, join: Join): void {
  const { lead, setup } = turn.state
  if (lead === null) return
  if (lead.head.finished !== null) return tellItIsOver(turn, from)
  const sameName = presentMembers(lead.head).find(({ id, name }) => name === join.name && id !== from)
  const problem = !setup.clusters.includes(join.cluster)
    ? `cluster '${join.cluster}' is not one of this run's: ${setup.clusters.join(', ')}`
    : sameName !== undefined
      ? `another peer of this run is named '${join.name}'; choose a different --name`
      : null
  if (problem !== null) return turnAway(turn, from, join.name, problem)
  emit(turn, { type: 'place', peer: from, cluster: join.cluster })
  const member = lead.head.members[from]
  const asBefore = member?.present === true && member.name === join.name && member.cluster === join.cluster
  if (asBefore) welcome(turn, from, join.index)
  else admit(turn, from, join)
  heard(turn, from)
  const open = openAssignmentOf(lead.head, from)
  if (open === null) enlist(turn, from)
  else if (open.id !== join.holding) remind(turn, from, open)
}

function turnAway(turn: Turn, from: PeerId, name: string, reason: string): void {
  report(turn, { type: 'refused', what: 'join', from: name, reason })
  emit(turn, { type: 'send', to: from, message: { type: 'turned-away', term: turn.state.term, reason } })
}

/** Once the end is committed: who belongs to the run ends with it, who does not need not wait for it. */
function tellItIsOver(turn: Turn, from: PeerId): void {
  const { lead, replica } = turn.state
  const over = replica?.ledger.finished
  if (lead === null || over == null) return
  if (lead.head.members[from] === undefined)
    return turnAway(turn, from, nameOf(turn, from), `the run is over: ${over.reason}`)
  sendFinish(turn, from)
}

export function sendFinish(turn: Turn, to: PeerId): void {
  const finish = turn.state.replica?.log.findLast((entry) => entry.kind === 'finish')
  if (finish !== undefined) sendEntries(turn, to, [finish])
}

/** Sends an assignment that did not arrive, or was lost in a restart, once more; its interval stays its own. */
export function remind(turn: Turn, worker: PeerId, { id }: Assignment): void {
  const entry = turn.state.replica?.log.findLast(
    (candidate) => candidate.kind === 'assign' && candidate.assignment.id === id,
  )
  if (entry === undefined) return
  if (worker === turn.state.setup.self.id) workerOnEntry(turn, entry)
  else sendEntries(turn, worker, [entry])
}

function admit(turn: Turn, peer: PeerId, { name, cluster, speed }: Join): void {
  const { lead, setup } = turn.state
  if (lead === null) return
  const replicas = presentMembers(lead.head).filter((member) => member.replica && member.id !== peer)
  const replica = replicas.length < setup.run.replicas || name === setup.run.validation.by
  propose(turn, { kind: 'admit', peer, name, cluster, replica, speed })
}

/** Says where to begin. A replica that is not further behind than the kept entries needs no snapshot. */
export function welcome(turn: Turn, peer: PeerId, heldIndex: Index | null = null): void {
  const { lead, replica, setup } = turn.state
  if (lead === null || replica === null || peer === setup.self.id) return
  // Its admission is not durable yet: it is welcomed when it is.
  const member = replica.ledger.members[peer]
  if (member?.present !== true) return
  const oldest = replica.log[0]?.index ?? replica.ledger.index + 1
  const current = heldIndex !== null && heldIndex + 1 >= oldest && heldIndex <= replica.ledger.index
  const snapshot =
    member.replica && !current ? { version: replica.applied, stateDigest: replica.stateDigest } : null
  const message = { type: 'welcome', term: lead.term, replica: member.replica, snapshot } as const
  emit(turn, { type: 'send', to: peer, message })
}

/** A member showed itself. */
export function heard(turn: Turn, peer: PeerId): void {
  const { lead } = turn.state
  if (lead !== null) changeLead(turn, { heardAt: { ...lead.heardAt, [peer]: turn.at } })
}
