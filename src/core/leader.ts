// The leader: proposes entries, lets them out once they are durable, and knows who is there.

import { assignIfDue, enlist, expireOverdue } from './assigning.js'
import { beginFinish, concludeIfReady } from './conclusion.js'
import { gatherMs, heartbeatMs, silenceMs } from './deadlines.js'
import type { Entry } from './entries.js'
import type { Index, PeerId, Version } from './ids.js'
import { type LedgerState, openAssignmentOf, presentMembers } from './ledger.js'
import type { Join, Message, Pulse } from './messages.js'
import { nameOf, propose, sendEntries } from './proposals.js'
import { commitToReplica } from './replica.js'
import { change, changeLead, emit, type Lead, report, type Turn } from './state.js'
import { stopReason } from './stop.js'
import { firstLearningRate, workerOnEntry } from './worker.js'

/** Entries per message: 100 of them stay well below the 64 KiB that a control message may have. */
const entriesPerMessage = 100

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
    idle: [],
    window: null,
    closing: false,
    gatherOver: false,
    heardAt: Object.fromEntries(presentMembers(replica.ledger).map(({ id }) => [id, turn.at])),
    assignedAt: Object.fromEntries(Object.keys(replica.ledger.open).map((id) => [id, turn.at])),
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
  if (lead === null || entries.length === 0) return
  emit(turn, {
    type: 'publish',
    topic: { kind: 'ledger' },
    message: { type: 'entries', term: lead.term, entries },
  })
  for (const cluster of setup.clusters) {
    const theirs = entries.filter((entry) => concerns(entry, cluster, lead.head))
    if (theirs.length === 0) continue
    const message = { type: 'entries', term: lead.term, entries: theirs } as const
    emit(turn, { type: 'publish', topic: { kind: 'assignments', cluster }, message })
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
  if (lead === null || lead.head.finished !== null) return
  heard(turn, from)
  const sameName = presentMembers(lead.head).find(({ id, name }) => name === join.name && id !== from)
  const problem = !setup.clusters.includes(join.cluster)
    ? `cluster '${join.cluster}' is not one of this run's: ${setup.clusters.join(', ')}`
    : sameName !== undefined
      ? `another peer of this run is named '${join.name}'; choose a different --name`
      : null
  if (problem !== null) {
    report(turn, { type: 'refused', what: 'join', from: join.name, reason: problem })
    emit(turn, { type: 'send', to: from, message: { type: 'turned-away', term: lead.term, reason: problem } })
    return
  }
  emit(turn, { type: 'place', peer: from, cluster: join.cluster })
  const open = openAssignmentOf(lead.head, from)
  if (open !== null && open.id !== join.holding) {
    propose(turn, {
      kind: 'expire',
      assignment: open.id,
      worker: from,
      reason: 'the worker started again without it',
    })
  }
  const member = lead.head.members[from]
  if (member?.present !== true) admit(turn, from, join)
  else welcome(turn, from, join.index)
  if (open === null || open.id !== join.holding) enlist(turn, from)
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
  const member = lead.head.members[peer]
  const oldest = replica.log[0]?.index ?? replica.ledger.index + 1
  const current = heldIndex !== null && heldIndex + 1 >= oldest && heldIndex <= replica.ledger.index
  const snapshot =
    member?.replica === true && !current
      ? { version: replica.applied, stateDigest: replica.stateDigest }
      : null
  const message = { type: 'welcome', term: lead.term, replica: member?.replica === true, snapshot } as const
  emit(turn, { type: 'send', to: peer, message })
}

export function onWantEntries(turn: Turn, from: PeerId, first: Index): void {
  const { lead, replica } = turn.state
  if (lead === null || replica === null) return
  const oldest = replica.log[0]?.index ?? replica.ledger.index + 1
  if (first < oldest) return welcome(turn, from)
  const wanted = replica.log.filter((entry) => entry.index >= first).slice(0, entriesPerMessage)
  if (wanted.length > 0) sendEntries(turn, from, wanted)
}

/** A member is alive. What its pulse shows to be missing there is sent again. */
export function onPulse(turn: Turn, from: PeerId, pulse: Pulse): void {
  const { lead, replica } = turn.state
  if (lead === null || replica === null || lead.head.members[from]?.present !== true) return
  heard(turn, from)
  compareHeld(turn, from, pulse)
  const finish = replica.log.findLast((entry) => entry.kind === 'finish')
  if (replica.ledger.finished !== null && finish !== undefined) return sendEntries(turn, from, [finish])
  const open = openAssignmentOf(replica.ledger, from)
  if (pulse.phase !== 'idle' || open === null) return
  // Gossip usually needs a few ms; a worker idle a heartbeat after its assignment has missed it.
  if (turn.at - (lead.assignedAt[open.id] ?? turn.at) < heartbeatMs) return
  const entry = replica.log.find(
    (candidate) => candidate.kind === 'assign' && candidate.assignment.id === open.id,
  )
  if (entry !== undefined) sendEntries(turn, from, [entry])
}

function compareHeld(turn: Turn, from: PeerId, { held }: Pulse): void {
  const mine = held === null ? undefined : turn.state.announced[held.version]
  if (held === null || mine === undefined || mine.stateDigest === held.stateDigest) return
  const reason = `its version ${held.version} has digest ${held.stateDigest.slice(0, 12)}, not ${mine.stateDigest.slice(0, 12)}`
  report(turn, { type: 'refused', what: 'outer state', from: nameOf(turn, from), reason })
}

/** Once per heartbeat: says who leads, lets go of the silent and the overdue. */
export function onHeartbeatTimer(turn: Turn): void {
  const { lead, setup } = turn.state
  if (lead === null) return
  emit(turn, { type: 'set-timer', name: 'heartbeat', afterMs: heartbeatMs })
  const { ledger } = turn.state.replica ?? { ledger: lead.head }
  const heartbeat: Message = {
    type: 'heartbeat',
    term: lead.term,
    index: ledger.index,
    version: ledger.version,
  }
  for (const { id } of presentMembers(lead.head)) {
    if (id === setup.self.id) continue
    const silentMs = turn.at - (lead.heardAt[id] ?? lead.startedAt)
    if (silentMs > silenceMs) letGo(turn, id, `silent for ${Math.round(silentMs / 1000)} s`)
    else emit(turn, { type: 'send', to: id, message: heartbeat })
  }
  expireOverdue(turn)
  stopIfDue(turn)
}

/** Evicts a member; what it was assigned goes to others. */
export function letGo(turn: Turn, peer: PeerId, reason: string): void {
  const { lead } = turn.state
  if (lead === null || lead.head.members[peer]?.present !== true) return
  const open = openAssignmentOf(lead.head, peer)
  if (open !== null) propose(turn, { kind: 'expire', assignment: open.id, worker: peer, reason })
  propose(turn, { kind: 'evict', peer, reason })
  changeLead(turn, { idle: lead.idle.filter((id) => id !== peer) })
  assignIfDue(turn)
  concludeIfReady(turn)
}

/** The own outer step of a version is done: everyone may know its digests, and who waited for it may go on. */
export function announceVersion(turn: Turn, version: Version): void {
  const { lead, replica } = turn.state
  if (lead === null || replica === null) return
  const { digest, stateDigest } = replica
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
