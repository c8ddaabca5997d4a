// The leader: proposes entries, lets them out once they are durable, and knows who is there.
import { heard, remind, sendFinish, welcome } from './admission.js'
import { assignIfDue, enlist, expireOverdue, wakeRested, withdraw } from './assigning.js'
import { beginFinish, concludeIfReady } from './conclusion.js'
import { gatherMs, heartbeatMs, lateBeatMs, silenceMs } from './deadlines.js'
import type { Entry } from './entries.js'
import { reportEntry } from './entry-reports.js'
import type { AssignmentId, Index, PeerId, Term, Version } from './ids.js'
import { type LedgerState, openAssignmentOf, presentMembers } from './ledger.js'
import type { Message, Pulse, Topic } from './messages.js'
import { nameOf, propose, sendEntries } from './proposals.js'
import { filterKeys, mapValues } from './records.js'
import { announcedOf, commitToReplica, rememberAnnounced } from './replica.js'
import { change, changeLead, emit, type Lead, report, type Turn } from './state.js'
import { stopReason } from './stop.js'
import { workerOnEntry } from './worker.js'

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
  const mine = held === null ? undefined : announcedOf(turn.state, held.version)
  if (held === null || mine === undefined || mine.stateDigest === held.stateDigest) return
  const message = { type: 'version', term: turn.state.term, ...mine } as const
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
  const later = (at: number) => at + gapMs
  changeLead(turn, {
    heardAt: mapValues(lead.heardAt, later),
    assignedAt: mapValues(lead.assignedAt, later),
  })
}

/** Forgets the times of those who are gone, so that they do not pile up. */
function tidy(turn: Turn): void {
  const { lead } = turn.state
  if (lead === null) return
  const { members, open } = lead.head
  changeLead(turn, {
    heardAt: filterKeys(lead.heardAt, (id) => members[id]?.present === true),
    assignedAt: filterKeys(lead.assignedAt, (id) => open[id] !== undefined),
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
  checkpointIfDue(turn, version)
  assignIfDue(turn)
}

/** The first version is nothing yet, and the last one is written when the run is concluded. */
function checkpointIfDue(turn: Turn, version: Version): void {
  const { lead, setup, validation } = turn.state
  if (version === 0 || version % setup.run.checkpoints.everyVersions !== 0 || lead?.head.finished != null)
    return
  emit(turn, { type: 'checkpoint', version, loss: validation.last?.loss ?? null })
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
