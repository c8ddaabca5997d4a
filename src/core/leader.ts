// The leader: keeps its lease, carries entries to the replicas, acts on those that are committed, and knows who is there.
import { heard, remind, sendFinish, welcome } from './admission.js'
import { compareHeld, goOnAsking } from './agreement.js'
import { applyEntry } from './apply-entry.js'
import { orderArrived } from './arrivals.js'
import { assignAhead, assignIfDue, enlist, expireOverdue, wakeRested } from './assigning.js'
import { beginFinish } from './conclusion.js'
import { configureIfDue } from './configuring.js'
import { electionMs, gatherMs, heartbeatMs, lateBeatMs, silenceMs } from './deadlines.js'
import type { Entry } from './entries.js'
import { reportEntry } from './entry-reports.js'
import { letGo } from './evicting.js'
import type { AssignmentId, PeerId, Version } from './ids.js'
import { type LedgerState, openAssignmentsOf, presentMembers } from './ledger.js'
import { entriesFrom } from './log.js'
import type { Heartbeat, Pulse, Topic } from './messages.js'
import { offerSoon } from './offering.js'
import { goOnAbove } from './parent.js'
import { promoteIfDue } from './promoting.js'
import { holdsLease, propose } from './proposals.js'
import { filterKeys, mapValues } from './records.js'
import { commitToReplica, rememberAnnounced } from './replica.js'
import {
  changeProgress,
  committable,
  entriesPerMessage,
  followers,
  notePulse,
  progressOf,
  resendLost,
  sendMissing,
  unknownProgress,
} from './replication.js'
import {
  type Campaign,
  change,
  changeLead,
  changeReplica,
  emit,
  type Lead,
  send,
  type Turn,
} from './state.js'
import { stopIfDue } from './stop.js'
import { stepDown } from './terms.js'
import { workerOnEntry } from './worker.js'

/** Begins to lead. Its first entry is a no-op: what earlier terms left is committed together with it. */
export function lead(turn: Turn, { askedAt, granted }: Campaign, reason: string): void {
  const { replica, setup, term, elapsedMs } = turn.state
  if (replica === null) return
  const self = setup.self.id
  const head = entriesFrom(replica, replica.ledger.index + 1).reduce(applyEntry, replica.ledger)
  const begun: Lead = {
    term,
    head,
    ready: false,
    durable: replica.ledger.index,
    // A vote is as good as an answer to a heartbeat: the lease counts from when it was asked for.
    progress: Object.fromEntries(
      granted.map((voter) => [voter, { ...unknownProgress(turn), beat: askedAt }]),
    ),
    inquiry: null,
    startedAt: turn.at - elapsedMs,
    since: turn.at,
    beatAt: turn.at,
    idle: [],
    window: null,
    closing: false,
    gatherOver: false,
    heardAt: Object.fromEntries(presentMembers(head).map(({ id }) => [id, turn.at])),
    assignedAt: {},
    resting: {},
    overheads: [],
    pulling: [],
    farewells: {},
    offer: null,
    roundAt: null,
    reporting: null,
    over: null,
  }
  // Its own worker joins it like any other: it may have waited for a round.
  change(turn, { leader: self, lead: begun, campaign: null, joined: false })
  changeReplica(turn, { waiting: null })
  // Whoever has all before it lacks the no-op first.
  for (const peer of followers(turn)) changeProgress(turn, peer, {})
  propose(turn, { kind: 'no-op', leader: self, reason, elapsedMs: Math.round(elapsedMs) })
  emit(turn, { type: 'cancel-timer', name: 'election' })
  emit(turn, { type: 'set-timer', name: 'gather', afterMs: gatherMs })
  const { minutes } = setup.stop
  if (minutes !== undefined) {
    const afterMs = Math.max(0, minutes * 60_000 - elapsedMs)
    emit(turn, { type: 'set-timer', name: 'time-limit', afterMs })
  }
  onHeartbeatTimer(turn)
  orderArrived(turn)
  // What its own worker had finished before: nobody welcomes it back.
  offerSoon(turn)
}

/** A majority may have more entries durable: they are committed, told to those they concern, and acted upon. */
export function advance(turn: Turn): void {
  const { lead, replica } = turn.state
  if (lead === null || replica === null) return
  const entries = entriesFrom(replica, replica.ledger.index + 1, committable(turn) - replica.ledger.index)
  if (entries.length === 0) return
  publish(turn, entries)
  for (const entry of entries) commit(turn, entry)
  stopIfDue(turn)
  assignIfDue(turn)
  goOnAbove(turn)
}

function commit(turn: Turn, entry: Entry): void {
  const before = turn.state.replica?.ledger
  if (before === undefined) return
  reportEntry(turn, entry, before)
  commitToReplica(turn, entry)
  workerOnEntry(turn, entry)
  if (entry.kind === 'no-op' && entry.term === turn.state.term) changeLead(turn, { ready: true })
  // One of an earlier term was welcomed then, or asks again.
  if (entry.kind === 'admit' && entry.term === turn.state.term) welcome(turn, entry.peer)
  if (entry.kind === 'configure') configureIfDue(turn)
  if (entry.kind === 'finish' && entry.term === turn.state.term) beginFinish(turn, entry)
}

/** What concerns a cluster's workers goes to that cluster; replicas have it in their logs. */
function publish(turn: Turn, entries: readonly Entry[]): void {
  const { lead, setup, epoch } = turn.state
  if (lead === null) return
  for (const cluster of setup.clusters) {
    const topic: Topic = { kind: 'assignments', cluster }
    const theirs = entries.filter((entry) => concerns(entry, cluster, lead.head))
    for (let first = 0; first < theirs.length; first += entriesPerMessage) {
      const some = theirs.slice(first, first + entriesPerMessage)
      emit(turn, {
        type: 'publish',
        topic,
        message: { type: 'entries', epoch, term: lead.term, entries: some },
      })
    }
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
    // Everyone keeps out who is shut out.
    case 'revoke':
    case 'finish':
      return true
    case 'no-op':
    case 'configure':
    case 'admit':
    case 'validate':
    case 'report':
    case 'merge':
      return false
  }
}

/** At the end of every turn: replicas get what is new, and hear what is committed. */
export function spread(turn: Turn, committedBefore: number): void {
  const { replica } = turn.state
  if (replica === null || turn.state.lead === null) return
  const more = replica.ledger.index > committedBefore
  for (const peer of followers(turn)) sendMissing(turn, peer, more)
}

/** A member is alive. What its pulse shows to be missing there is sent again. */
export function onPulse(turn: Turn, from: PeerId, pulse: Pulse): void {
  const { lead, replica } = turn.state
  if (lead === null || replica === null) return
  if (followers(turn).includes(from)) {
    const lapsed = !holdsLease(turn)
    notePulse(turn, from, pulse)
    resendLost(turn, from, pulse)
    if (lapsed && holdsLease(turn)) goOn(turn)
  }
  if (lead.head.members[from]?.present !== true) return
  heard(turn, from)
  compareHeld(turn, from, pulse)
  if (replica.ledger.finished !== null) return sendFinish(turn, from)
  const open = openAssignmentsOf(lead.head, from)
  // A leader that took over, or came back, does not know who waits for work.
  if (open.length === 0) return pulse.phase === 'idle' ? enlist(turn, from) : undefined
  // Gossip usually needs a few ms; a worker at something else a heartbeat after its assignment has missed it.
  for (const assignment of open)
    if (!pulse.assignments.includes(assignment.id) && turn.at - givenAt(lead, assignment.id) >= heartbeatMs)
      remind(turn, from, assignment)
}

/** The lease is there again: what waited for it is done. */
function goOn(turn: Turn): void {
  orderArrived(turn)
  stopIfDue(turn)
  assignIfDue(turn)
}

function givenAt(lead: Lead, id: AssignmentId): number {
  return lead.assignedAt[id] ?? lead.since
}

/** Once per heartbeat: says who leads, lets go of the silent and the overdue. */
export function onHeartbeatTimer(turn: Turn): void {
  if (turn.state.lead === null) return
  emit(turn, { type: 'set-timer', name: 'heartbeat', afterMs: heartbeatMs })
  allowForStandstill(turn)
  if (hasLostItsVoters(turn)) return
  sayHeartbeat(turn)
  if (!holdsLease(turn)) return
  letGoOfSilent(turn)
  expireOverdue(turn)
  wakeRested(turn)
  goOnAsking(turn)
  tidy(turn)
  configureIfDue(turn)
  promoteIfDue(turn)
  stopIfDue(turn)
  goOnAbove(turn)
}

/** Without an answer of a majority for as long as the others wait before they elect, it cannot be of use. */
function hasLostItsVoters(turn: Turn): boolean {
  // At the end of a run its voters go home before it does.
  if (turn.state.finishing !== null || holdsLease(turn, electionMs([]))) return false
  stepDown(turn, `no majority of the voters has answered for ${electionMs([]) / 1000} s`)
  return true
}

function sayHeartbeat(turn: Turn): void {
  const { lead, replica, setup, epoch } = turn.state
  if (lead === null || replica === null) return
  const { ledger } = replica
  const heartbeat: Heartbeat = {
    type: 'heartbeat',
    epoch,
    term: lead.term,
    index: ledger.index,
    version: ledger.version,
    beat: turn.at,
    elapsedMs: turn.at - lead.startedAt,
    replicasAt: ledger.replicasAt,
  }
  const members = presentMembers(lead.head).map(({ id }) => id)
  for (const peer of new Set([...followers(turn), ...members])) {
    if (peer === setup.self.id) continue
    send(turn, peer, heartbeat)
    // Entries that it needs are forgotten here: it gets a snapshot.
    if (progressOf(turn, peer).next <= replica.base.index) welcome(turn, peer)
  }
}

function letGoOfSilent(turn: Turn): void {
  const { lead, setup } = turn.state
  if (lead === null) return
  for (const { id } of presentMembers(lead.head)) {
    if (id === setup.self.id) continue
    const silentMs = turn.at - (lead.heardAt[id] ?? lead.since)
    if (silentMs > silenceMs) letGo(turn, id, false, `silent for ${Math.round(silentMs / 1000)} s`)
  }
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
  const following = followers(turn)
  changeLead(turn, {
    heardAt: filterKeys(lead.heardAt, (id) => members[id]?.present === true),
    assignedAt: filterKeys(lead.assignedAt, (id) => open[id] !== undefined),
    progress: filterKeys(lead.progress, (id) => following.includes(id)),
  })
}

/** A member says that it leaves. */
export function onLeave(turn: Turn, from: PeerId, reason: string): void {
  letGo(turn, from, true, reason)
  configureIfDue(turn)
}

/** The own outer step of a version is done: everyone may know its digests, and who waited for it may go on. */
export function announceVersion(turn: Turn, version: Version): void {
  const { lead, replica, epoch } = turn.state
  if (lead === null || replica === null) return
  const { digest, stateDigest } = replica
  rememberAnnounced(turn, version, digest, stateDigest)
  const message = { type: 'version', epoch, term: lead.term, version, digest, stateDigest } as const
  emit(turn, { type: 'publish', topic: { kind: 'ledger' }, message })
  checkpointIfDue(turn, version)
  assignIfDue(turn)
  assignAhead(turn)
  goOnAbove(turn)
}

/** The first version is nothing yet, and the last one is written when the run is concluded. */
function checkpointIfDue(turn: Turn, version: Version): void {
  const { lead, setup } = turn.state
  if (lead === null || version === 0 || version % setup.run.checkpoints.everyVersions !== 0) return
  if (lead.head.finished !== null) return
  emit(turn, { type: 'checkpoint', version, loss: lead.head.validation.last?.loss ?? null })
}
