// The leader: proposes entries, lets them out once they are durable, and knows who is there.

import { assignIfDue, enlist, expireOverdue, wakeRested, withdraw } from './assigning.js'
import { beginFinish, concludeIfReady } from './conclusion.js'
import { gatherMs, heartbeatMs, lateBeatMs, silenceMs } from './deadlines.js'
import type { Assignment, Entry } from './entries.js'
import type { AssignmentId, Index, PeerId, Term, Version } from './ids.js'
import { type LedgerState, openAssignmentOf, presentMembers } from './ledger.js'
import type { Join, Message, Pulse, Topic } from './messages.js'
import { nameOf, propose, sendEntries } from './proposals.js'
import { commitToReplica, rememberAnnounced } from './replica.js'
import { change, changeLead, emit, type Lead, report, type Turn } from './state.js'
import { stopReason } from './stop.js'
import { firstLearningRate, workerOnEntry } from './worker.js'

/** Entries per message: 100 of them stay well below the 64 KiB that a control message may have. */
const entriesPerMessage = 100
/** Messages in answer to one request for entries: what more is missing is asked for when these are in. */
const messagesPerAnswer = 10

/** Begins a term. Its first entry is a no-op: nothing of an earlier term counts before it is committed. */
export function lead(turn: Turn, reason: string): void {
  const { replica, setup } = turn.state
  if (replica === null) return
  const term = replica.ledger.term + 1
  const self = setup.self.id
  const begun: Lead = {
    term,
    head: replica.ledger,
    proposed: [],
    startedAt: turn.at,
    beatAt: turn.at,
    idle: [],
    window: null,
    closing: false,
    gatherOver: false,
    heardAt: Object.fromEntries(presentMembers(replica.ledger).map(({ id }) => [id, turn.at])),
    assignedAt: {},
    resting: {},
    overheads: [],
    pulling: [],
    farewells: {},
  }
  change(turn, { term, leader: self, lead: begun })
  propose(turn, { kind: 'no-op', leader: self, reason })
  emit(turn, { type: 'set-timer', name: 'heartbeat', afterMs: heartbeatMs })
  emit(turn, { type: 'set-timer', name: 'gather', afterMs: gatherMs })
  if (setup.stop.minutes !== undefined) {
    emit(turn, { type: 'set-timer', name: 'time-limit', afterMs: setup.stop.minutes * 60_000 })
  }
}

/** Entries up to `index` are durable: committed, told to all, acted upon. */
export function onAppended(turn: Turn, index: Index): void {
  const { lead } = turn.state
  if (lead === null) return
  const durable = lead.proposed.filter((entry) => entry.index <= index)
  changeLead(turn, { proposed: lead.proposed.filter((entry) => entry.index > index) })
  publish(turn, durable)
  for (const entry of durable) commit(turn, entry)
  stopIfDue(turn)
  assignIfDue(turn)
}

function commit(turn: Turn, entry: Entry): void {
  const before = turn.state.replica?.ledger
  if (before === undefined) return
  reportEntry(turn, entry, before)
  commitToReplica(turn, entry)
  workerOnEntry(turn, entry)
  if (entry.kind === 'admit') welcome(turn, entry.peer)
  if (entry.kind === 'finish') beginFinish(turn, entry)
}

/** All entries go to the replicas; what concerns a cluster's workers goes to that cluster too. */
function publish(turn: Turn, entries: readonly Entry[]): void {
  const { lead, setup } = turn.state
  if (lead === null) return
  publishOn(turn, { kind: 'ledger' }, lead.term, entries)
  for (const cluster of setup.clusters) {
    const theirs = entries.filter((entry) => concerns(entry, cluster, lead.head))
    publishOn(turn, { kind: 'assignments', cluster }, lead.term, theirs)
  }
}

function publishOn(turn: Turn, topic: Topic, term: Term, entries: readonly Entry[]): void {
  for (let first = 0; first < entries.length; first += entriesPerMessage) {
    const some = entries.slice(first, first + entriesPerMessage)
    emit(turn, { type: 'publish', topic, message: { type: 'entries', term, entries: some } })
  }
}

function concerns(entry: Entry, cluster: string, { members }: LedgerState): boolean {
  switch (entry.kind) {
    case 'assign':
      return members[entry.assignment.worker]?.cluster === cluster
    case 'apply':
    case 'refuse':
    case 'expire':
      return members[entry.worker]?.cluster === cluster
    case 'evict':
      return members[entry.peer]?.cluster === cluster
    case 'finish':
      return true
    case 'no-op':
    case 'admit':
      return false
  }
}

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

function sendFinish(turn: Turn, to: PeerId): void {
  const finish = turn.state.replica?.log.findLast((entry) => entry.kind === 'finish')
  if (finish !== undefined) sendEntries(turn, to, [finish])
}

/** Sends an assignment that did not arrive, or was lost in a restart, once more; its interval stays its own. */
function remind(turn: Turn, worker: PeerId, { id }: Assignment): void {
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
function welcome(turn: Turn, peer: PeerId, heldIndex: Index | null = null): void {
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

export function onWantEntries(turn: Turn, from: PeerId, first: Index): void {
  const { lead, replica } = turn.state
  if (lead === null || replica === null || lead.head.members[from]?.present !== true) return
  const oldest = replica.log[0]?.index ?? replica.ledger.index + 1
  if (first < oldest) return welcome(turn, from)
  for (let answer = 0; answer < messagesPerAnswer; answer++) {
    const start = first - oldest + answer * entriesPerMessage
    const wanted = replica.log.slice(start, start + entriesPerMessage)
    if (wanted.length === 0) return
    sendEntries(turn, from, wanted)
  }
}

/** A member is alive. What its pulse shows to be missing there is sent again. */
export function onPulse(turn: Turn, from: PeerId, pulse: Pulse): void {
  const { lead, replica } = turn.state
  if (lead === null || replica === null || lead.head.members[from]?.present !== true) return
  heard(turn, from)
  compareHeld(turn, from, pulse)
  if (replica.ledger.finished !== null) return sendFinish(turn, from)
  const open = openAssignmentOf(lead.head, from)
  // A leader that took over, or came back, does not know who waits for work.
  if (open === null) return pulse.phase === 'idle' ? enlist(turn, from) : undefined
  // Gossip usually needs a few ms; a worker at something else a heartbeat after its assignment has missed it.
  if (pulse.assignment !== open.id && turn.at - givenAt(lead, open.id) >= heartbeatMs)
    remind(turn, from, open)
}

function givenAt(lead: Lead, id: AssignmentId): number {
  return lead.assignedAt[id] ?? lead.startedAt
}

/** A replica that missed the announcement of a version hears here that its own is another. */
function compareHeld(turn: Turn, from: PeerId, { held }: Pulse): void {
  const { announced, term } = turn.state
  const mine = held === null ? undefined : announced[held.version]
  if (held === null || mine === undefined || mine.stateDigest === held.stateDigest) return
  const message = { type: 'version', term, version: held.version, ...mine } as const
  emit(turn, { type: 'send', to: from, message })
  const reason = `its version ${held.version} has digest ${held.stateDigest.slice(0, 12)}, not ${mine.stateDigest.slice(0, 12)}`
  report(turn, { type: 'refused', what: 'outer state', from: nameOf(turn, from), reason })
}

/** Once per heartbeat: says who leads, lets go of the silent and the overdue. */
export function onHeartbeatTimer(turn: Turn): void {
  const { lead, setup } = turn.state
  if (lead === null) return
  emit(turn, { type: 'set-timer', name: 'heartbeat', afterMs: heartbeatMs })
  allowForStandstill(turn)
  const { ledger } = turn.state.replica ?? { ledger: lead.head }
  const heartbeat: Message = {
    type: 'heartbeat',
    term: lead.term,
    index: ledger.index,
    version: ledger.version,
  }
  for (const { id } of presentMembers(lead.head)) {
    if (id === setup.self.id) continue
    const silentMs = turn.at - (turn.state.lead?.heardAt[id] ?? lead.startedAt)
    if (silentMs > silenceMs) letGo(turn, id, `silent for ${Math.round(silentMs / 1000)} s`)
    else emit(turn, { type: 'send', to: id, message: heartbeat })
  }
  expireOverdue(turn)
  wakeRested(turn)
  tidy(turn)
  stopIfDue(turn)
}

/** After a pause of the own process what the others sent lies unread: the pause is not held against them. */
function allowForStandstill(turn: Turn): void {
  const { lead } = turn.state
  if (lead === null) return
  const gapMs = turn.at - lead.beatAt
  changeLead(turn, { beatAt: turn.at })
  if (gapMs < lateBeatMs) return
  const later = <Key extends string>(times: Readonly<Record<Key, number>>) =>
    Object.fromEntries(Object.entries<number>(times).map(([key, at]) => [key, at + gapMs])) as Record<
      Key,
      number
    >
  changeLead(turn, { heardAt: later(lead.heardAt), assignedAt: later(lead.assignedAt) })
}

/** Forgets the times of those who are gone, so that they do not pile up. */
function tidy(turn: Turn): void {
  const { lead } = turn.state
  if (lead === null) return
  const { members, open } = lead.head
  const only = <Key extends string>(times: Readonly<Record<Key, number>>, keep: (key: Key) => boolean) =>
    Object.fromEntries((Object.entries(times) as [Key, number][]).filter(([key]) => keep(key))) as Record<
      Key,
      number
    >
  changeLead(turn, {
    heardAt: only(lead.heardAt, (id) => members[id]?.present === true),
    assignedAt: only(lead.assignedAt, (id) => open[id] !== undefined),
  })
}

/** Evicts a member; what it was assigned goes to others. */
export function letGo(turn: Turn, peer: PeerId, reason: string): void {
  const { lead } = turn.state
  if (lead === null || lead.head.members[peer]?.present !== true) return
  const open = openAssignmentOf(lead.head, peer)
  if (open !== null) propose(turn, { kind: 'expire', assignment: open.id, worker: peer, reason })
  propose(turn, { kind: 'evict', peer, reason })
  withdraw(turn, peer)
  assignIfDue(turn)
  concludeIfReady(turn)
}

/** The own outer step of a version is done: everyone may know its digests, and who waited for it may go on. */
export function announceVersion(turn: Turn, version: Version): void {
  const { lead, replica } = turn.state
  if (lead === null || replica === null) return
  const { digest, stateDigest } = replica
  rememberAnnounced(turn, version, digest, stateDigest)
  const message = { type: 'version', term: lead.term, version, digest, stateDigest } as const
  emit(turn, { type: 'publish', topic: { kind: 'ledger' }, message })
  if (version % turn.state.setup.run.checkpoints.everyVersions === 0) {
    emit(turn, { type: 'checkpoint', version, loss: turn.state.validation.last?.loss ?? null })
  }
  assignIfDue(turn)
}

export function stopIfDue(turn: Turn): void {
  const { lead, setup, validation } = turn.state
  if (lead === null || lead.head.finished !== null) return
  const reason = stopReason(setup.stop, {
    ledger: lead.head,
    tokensPerStep: setup.tokensPerStep,
    loss: validation.last?.loss ?? null,
    elapsedMs: turn.at - lead.startedAt,
  })
  if (reason !== null) propose(turn, { kind: 'finish', reason, ok: true })
}

function heard(turn: Turn, peer: PeerId): void {
  const { lead } = turn.state
  if (lead !== null) changeLead(turn, { heardAt: { ...lead.heardAt, [peer]: turn.at } })
}

function reportEntry(turn: Turn, entry: Entry, before: LedgerState): void {
  switch (entry.kind) {
    case 'no-op':
      report(turn, {
        type: 'leader',
        term: entry.term,
        leader: turn.state.setup.self.name,
        id: entry.leader,
        reason: entry.reason,
      })
      break
    case 'admit': {
      const { name, peer: id, cluster, replica } = entry
      report(turn, { type: 'joined', name, id, cluster, replica })
      break
    }
    case 'evict': {
      const { name, cluster } = before.members[entry.peer]
      report(turn, { type: 'left', name, id: entry.peer, cluster, reason: entry.reason })
      break
    }
    case 'assign': {
      const { assignment, speed, fastest: maxSpeed, window } = entry
      const { id, base: version, steps, shard, position } = assignment
      const worker = nameOf(turn, assignment.worker)
      const learningRate = firstLearningRate(turn.state, assignment)
      report(turn, {
        type: 'assigned',
        assignment: id,
        worker,
        version,
        steps,
        shard,
        position,
        speed,
        maxSpeed,
        learningRate,
        window,
      })
      break
    }
    case 'apply': {
      const { term, index, assignment, staleness, steps, loss, speed } = entry
      const worker = nameOf(turn, entry.worker)
      report(turn, {
        type: 'applied',
        version: before.version + 1,
        term,
        index,
        worker,
        assignment,
        staleness,
        steps,
        loss,
        speed,
      })
      break
    }
    case 'refuse':
      report(turn, {
        type: 'refused',
        what: `contribution ${entry.assignment}`,
        from: nameOf(turn, entry.worker),
        reason: entry.reason,
      })
      break
    case 'expire':
      report(turn, {
        type: 'expired',
        assignment: entry.assignment,
        worker: nameOf(turn, entry.worker),
        reason: entry.reason,
      })
      break
    case 'finish':
      break
    default:
      entry satisfies never
  }
}
