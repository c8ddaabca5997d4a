// Who is taken into the run, and what a peer is told that comes, comes back, or missed something.
import { tellVerdict } from './arrivals.js'
import { enlist } from './assigning.js'
import { allVoters } from './configuration.js'
import type { Assignment, Entry } from './entries.js'
import { letGo } from './evicting.js'
import { indexOf, type PeerId } from './ids.js'
import { type LedgerState, type Member, openAssignmentsOf, presentMembers } from './ledger.js'
import type { Address, Join, LogPoint } from './messages.js'
import { holdsLease, nameOf, propose, sendEntries } from './proposals.js'
import { changeProgress, followers, unknownProgress } from './replication.js'
import { changeLead, refuse, send, type Turn } from './state.js'
import { workerOnEntry } from './worker.js'

/** Admits a peer, or tells one that is in already where things stand. */
export function onJoin(turn: Turn, from: PeerId, join: Join): void {
  const { lead } = turn.state
  if (lead === null) return redirect(turn, from)
  // Its own admission comes right after its no-op: it is the first to train.
  if (from !== turn.state.setup.self.id && (!lead.ready || !holdsLease(turn))) return
  if (lead.head.finished !== null) return tellItIsOver(turn, from)
  const problem = whyNot(turn, lead.head, from, join)
  if (problem !== null) return turnAway(turn, from, join.name, problem)
  const namesake = namesakeOf(lead.head, from, join.name)
  if (namesake !== undefined) letGo(turn, namesake.id, false, 'another peer came under its name')
  const member = lead.head.members[from]
  const asBefore = member?.present === true && isAsBefore(member, join)
  if (join.log === null) forgetProgress(turn, from)
  if (asBefore) welcome(turn, from, join.log)
  else admit(turn, from, join)
  heard(turn, from)
  const open = openAssignmentsOf(lead.head, from)
  if (open.length === 0) enlist(turn, from)
  for (const assignment of open) if (!join.holding.includes(assignment.id)) remind(turn, from, assignment)
  // Before any new round: what it keeps for the old one depends on how that ended.
  for (const id of join.holding) if (lead.head.open[id] === undefined) tellVerdict(turn, from, id)
}

function whyNot(turn: Turn, head: LedgerState, from: PeerId, { cluster, name }: Join): string | null {
  const { clusters } = turn.state.setup
  const revoked = head.members[from]?.revoked ?? null
  if (revoked !== null) return `it was shut out of this run: ${revoked}`
  if (!clusters.includes(cluster))
    return `cluster '${cluster}' is not one of this run's: ${clusters.join(', ')}`
  const namesake = namesakeOf(head, from, name)
  // One that lost its disk comes back as another peer: its old self is not connected any more.
  const isThere = (peer: PeerId) => peer === turn.state.setup.self.id || turn.state.connected.includes(peer)
  if (namesake === undefined || !isThere(namesake.id)) return null
  return `another peer of this run is named '${name}'; choose a different --name`
}

const namesakeOf = (head: LedgerState, from: PeerId, called: string): Member | undefined =>
  presentMembers(head).find(({ id, name }) => name === called && id !== from)

const isAsBefore = (member: Member, { name, cluster, addresses }: Join): boolean =>
  member.name === name && member.cluster === cluster && member.addresses.join() === addresses.join()

/** Whoever does not lead says who does, as far as it knows. */
function redirect(turn: Turn, to: PeerId): void {
  const { setup, epoch, term, leader, replica, replicas } = turn.state
  if (to === setup.self.id) return
  const known = replica === null ? replicas : replicasOf(replica.ledger)
  send(turn, to, { type: 'redirect', epoch, term, leader, replicas: known })
}

/** Where the outer state is held: voters, and every present replica. */
export function replicasOf({ members, configuration }: LedgerState): readonly Address[] {
  const present = Object.values(members).flatMap((member) =>
    member.present && member.replica ? [member.id] : [],
  )
  const all = new Set([...allVoters(configuration), ...present])
  return [...all].map((peer) => ({ peer, addresses: members[peer]?.addresses ?? [] }))
}

function turnAway(turn: Turn, from: PeerId, name: string, reason: string): void {
  const { epoch, term } = turn.state
  refuse(turn, 'join', name, reason)
  send(turn, from, { type: 'turned-away', epoch, term, reason })
}

/** It holds no log any more: it gets a snapshot, whatever was known of it. */
function forgetProgress(turn: Turn, peer: PeerId): void {
  if (followers(turn).includes(peer)) changeProgress(turn, peer, { ...unknownProgress(turn), next: 0 })
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

/**
 * Sends an assignment that did not arrive, or was lost in a restart, once more; its interval stays its own. It must be
 * committed, and its entry may be forgotten: what a worker needs of it is in the assignment.
 */
export function remind(turn: Turn, worker: PeerId, { id }: Assignment): void {
  const { replica, setup } = turn.state
  const assignment = replica?.ledger.open[id]
  if (replica === null || assignment === undefined) return
  const { term, window } = replica.ledger
  const entry: Entry = {
    kind: 'assign',
    assignment,
    speed: null,
    fastest: null,
    window,
    index: indexOf(id),
    term,
  }
  if (worker === setup.self.id) workerOnEntry(turn, entry)
  else sendEntries(turn, worker, [entry])
}

function admit(turn: Turn, peer: PeerId, { name, cluster, speed, addresses, role }: Join): void {
  const { lead, setup } = turn.state
  if (lead === null) return
  const replicas = presentMembers(lead.head).filter((member) => member.replica && member.id !== peer)
  const votes = allVoters(lead.head.configuration).includes(peer)
  // A voter stays one until the voters change, and validation needs the outer state.
  const isNeeded = votes || name === setup.run.validation.by
  const replica = isNeeded || (role === 'replica' && replicas.length < setup.run.replicas)
  propose(turn, { kind: 'admit', peer, name, cluster, replica, speed, addresses })
}

/** Says where to begin. A replica whose log this one's continues needs no snapshot. */
export function welcome(turn: Turn, peer: PeerId, log: LogPoint | null = null): void {
  const { lead, replica, setup, epoch } = turn.state
  if (lead === null || replica === null || peer === setup.self.id) return
  // Its admission is not committed yet: it is welcomed when it is. A voter is needed for that very commit.
  const member = replica.ledger.members[peer]
  const votes = allVoters(replica.configuration).includes(peer)
  if (member === undefined || !(member.present || votes)) return
  const holds = member.replica || votes
  const needsSnapshot = holds && (log === null || log.index < replica.base.index)
  // While voters differ about the outer state, this one may be wrong: it is not spread.
  if (needsSnapshot && lead.inquiry !== null) return
  const { applied: version, stateDigest } = replica
  const snapshot = needsSnapshot ? { version, stateDigest } : null
  send(turn, peer, {
    type: 'welcome',
    epoch,
    term: lead.term,
    replica: holds,
    replicas: replicasOf(replica.ledger),
    replicasAt: replica.ledger.replicasAt,
    snapshot,
  })
}

/** A member showed itself. */
export function heard(turn: Turn, peer: PeerId): void {
  const { lead } = turn.state
  if (lead !== null) changeLead(turn, { heardAt: { ...lead.heardAt, [peer]: turn.at } })
}
