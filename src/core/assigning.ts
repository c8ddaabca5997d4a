// When workers get new rounds (Alg. 2, 4, 5: the grace window) and which (Eq. 2 shard, Eq. 6 steps).
import { fastestSpeed, localSteps, robustSpeed } from '../outer/dylu.js'
import { fragmentCount } from '../outer/fragments.js'
import { graceMs } from '../outer/grace.js'
import { stream, uniform } from '../outer/random.js'
import { draw, probabilities } from '../outer/shard-sampling.js'
import { median, spread } from '../outer/statistics.js'
import { deadlineMs, doubtMs, restMs } from './deadlines.js'
import type { Assignment } from './entries.js'
import { type AssignmentId, assignmentId, type PeerId } from './ids.js'
import {
  consumedSteps,
  type LedgerState,
  type Member,
  nextInterval,
  openAssignmentsOf,
  presentWorkers,
} from './ledger.js'
import { holdsLease, propose } from './proposals.js'
import { entriesOf } from './records.js'
import { changeLead, emit, type Lead, type Turn } from './state.js'

/** A worker that failed this often in a row will fail again; when all have, the run cannot go on. */
const failuresInARow = 3
/** A worker refused this often in a row, resting longer each time, is broken or hostile. */
const mostRefusals = 8

/** A worker's round is settled. The first arrival opens the window in which others may still join it. */
export function arrive(turn: Turn, worker: PeerId): void {
  const { lead } = turn.state
  if (lead === null || openAssignmentsOf(lead.head, worker).length > 0) return
  const idle = lead.idle.includes(worker) ? lead.idle : [...lead.idle, worker]
  if (lead.window === null) {
    const afterMs = graceOf(turn, lead)
    changeLead(turn, { window: { closesAt: turn.at + afterMs }, closing: lead.closing || afterMs === 0 })
    if (afterMs > 0) emit(turn, { type: 'set-timer', name: 'grace', afterMs })
  }
  changeLead(turn, { idle })
  assignIfDue(turn)
}

/** A worker without work gets some: at once, unless a window is open in which others restart too. */
export function enlist(turn: Turn, worker: PeerId): void {
  const { lead } = turn.state
  if (lead === null || lead.idle.includes(worker) || lead.resting[worker] !== undefined) return
  const member = lead.head.members[worker]
  if (member?.present !== true || member.role === 'holder' || openAssignmentsOf(lead.head, worker).length > 0)
    return
  changeLead(turn, { idle: [...lead.idle, worker], closing: lead.closing || lead.window === null })
  assignIfDue(turn)
}

/** A worker leaves those who wait; a window without any of them is none. */
export function withdraw(turn: Turn, worker: PeerId): void {
  const { lead } = turn.state
  if (lead === null) return
  const idle = lead.idle.filter((id) => id !== worker)
  changeLead(turn, { idle })
  if (idle.length === 0) closeWindow(turn)
}

/**
 * A worker's round came to nothing, by its own word or by what it sent. It rests before the next, or one that
 * always fails would fill the ledger; when all fail, the run is over.
 */
export function fail(
  turn: Turn,
  worker: PeerId,
  kind: 'expire' | 'refuse',
  assignment: AssignmentId,
  reason: string,
): void {
  propose(turn, { kind, assignment, worker, reason })
  const { lead } = turn.state
  if (lead === null) return
  if (lead.head.members[worker].refusals >= mostRefusals && worker !== turn.state.setup.self.id)
    return revoke(turn, worker, reason)
  if (presentWorkers(lead.head).every(({ failures }) => failures >= failuresInARow)) {
    return propose(turn, { kind: 'finish', reason: `every worker failed: ${reason}`, ok: false })
  }
  const forMs = restMs(lead.head.members[worker].failures)
  if (forMs === 0) return enlist(turn, worker)
  changeLead(turn, { resting: { ...lead.resting, [worker]: turn.at + forMs } })
  assignIfDue(turn)
}

/** A peer whose every contribution is refused costs all others a check each time: it is shut out. */
function revoke(turn: Turn, peer: PeerId, reason: string): void {
  propose(turn, {
    kind: 'revoke',
    who: peer,
    reason: `${mostRefusals} contributions in a row were refused: ${reason}`,
  })
  withdraw(turn, peer)
  assignIfDue(turn)
}

/** Runs with every heartbeat: workers that have rested get work again. */
export function wakeRested(turn: Turn): void {
  for (const [worker, until] of entriesOf(turn.state.lead?.resting ?? {})) {
    if (until > turn.at) continue
    const { [worker]: _, ...resting } = turn.state.lead?.resting ?? {}
    changeLead(turn, { resting })
    enlist(turn, worker)
  }
}

/** The grace window is over. A timer that fires after its window was closed for another reason means nothing. */
export function onGraceOver(turn: Turn): void {
  if (turn.state.lead === null || turn.state.lead.window === null) return
  changeLead(turn, { closing: true })
  assignIfDue(turn)
}

/** `startPeers` workers did not come in time: those who are there begin. */
export function onGatherOver(turn: Turn): void {
  changeLead(turn, { gatherOver: true })
  assignIfDue(turn)
}

/**
 * Gives every idle worker a round from the same version, once the window is closed (or nobody else can still
 * arrive) and the outer step of every apply so far is done.
 */
export function assignIfDue(turn: Turn): void {
  const { lead, replica, setup } = turn.state
  if (lead === null || replica === null || lead.idle.length === 0 || !mayAssign(turn)) return
  const gathered =
    lead.gatherOver || lead.head.version > 0 || presentWorkers(lead.head).length >= setup.run.startPeers
  if (!gathered) return
  if (!lead.closing && othersMayArrive(lead, turn.at)) return
  if (!lead.closing) changeLead(turn, { closing: true })
  if (replica.applied < lead.head.version) return
  const workers = lead.idle
  const fastest = fastestOf(lead.head)
  const window = lead.head.window + 1
  changeLead(turn, { idle: [] })
  closeWindow(turn)
  for (const worker of workers) assign(turn, worker, null, fastest, window)
  assignAhead(turn)
}

/** Nothing is given while this may be a leader of the past, or while voters differ about the outer state. */
function mayAssign(turn: Turn): boolean {
  const { lead } = turn.state
  if (lead === null || lead.head.finished !== null) return false
  return lead.ready && lead.inquiry === null && holdsLease(turn)
}

/**
 * Gives every busy worker as many rounds in advance as the run allows: it goes on with them while its contribution is
 * on its way, or while nobody leads.
 */
export function assignAhead(turn: Turn): void {
  const { lead, replica, setup } = turn.state
  const { roundsAhead } = setup.run
  if (lead === null || replica === null || roundsAhead === 0 || !mayAssign(turn)) return
  if (replica.applied < lead.head.version) return
  const fastest = fastestOf(lead.head)
  for (const { id } of presentWorkers(lead.head)) {
    const open = openAssignmentsOf(lead.head, id)
    let last = open.at(-1)
    for (let count = open.length; last !== undefined && count < 1 + roundsAhead; count++)
      last = assign(turn, id, last, fastest, lead.head.window)
  }
}

/** Whether a round under way is expected back before the window closes: nobody waits for one that is not. */
function othersMayArrive({ head, window, assignedAt, overheads }: Lead, at: number): boolean {
  return Object.values(head.open).some(({ id, worker, steps }) => {
    const speed = speedOf(head.members[worker])
    if (speed === null || window === null) return true
    const expectedAt = (assignedAt[id] ?? at) + (steps / speed) * 1000 + median(overheads)
    return expectedAt <= window.closesAt
  })
}

function closeWindow(turn: Turn): void {
  if (turn.state.lead?.window != null) emit(turn, { type: 'cancel-timer', name: 'grace' })
  changeLead(turn, { window: null, closing: false })
}

/** @param after the worker's newest open round, which this one continues; null for one that starts afresh */
function assign(
  turn: Turn,
  worker: PeerId,
  after: Assignment | null,
  fastest: number | null,
  window: number,
): Assignment | undefined {
  const { lead, replica, setup } = turn.state
  if (lead === null || replica === null) return undefined
  const { head } = lead
  const { run } = setup
  const speed = speedOf(head.members[worker])
  const wanted =
    run.dylu && speed !== null && fastest !== null
      ? localSteps(speed, fastest, run.localSteps)
      : run.localSteps
  const index = head.index + 1
  const shard = drawShard(head, run.seed, index)
  const { position, steps } = nextInterval(head.shards[shard], wanted)
  const { failures } = head.members[worker]
  const expected = {
    steps,
    speeds: speedsMeasured(head.members[worker]),
    overheads: lead.overheads,
    failures,
  }
  const id = assignmentId(index)
  const assignment: Assignment = {
    id,
    worker,
    after: after?.id ?? null,
    base: replica.applied,
    baseDigest: replica.digest,
    shard,
    position,
    steps,
    ...fragmentOf(turn, head, worker),
    deadlineMs: (after?.deadlineMs ?? 0) + deadlineMs(expected),
  }
  propose(turn, { kind: 'assign', assignment, speed, fastest, window })
  changeLead(turn, { assignedAt: { ...turn.state.lead?.assignedAt, [id]: turn.at } })
  return assignment
}

/**
 * A worker's rounds go over the fragments in turn; it begins where few others do, so that of every fragment something
 * arrives all the time. After a round that came to nothing the same fragment is due again.
 */
function fragmentOf(
  turn: Turn,
  { members, open }: LedgerState,
  worker: PeerId,
): Pick<Assignment, 'fragment'> {
  const count = fragmentCount(turn.state.setup.run)
  if (count === 1) return {}
  const offset = Object.keys(members).indexOf(worker)
  const underWay = Object.values(open).filter((assignment) => assignment.worker === worker).length
  return { fragment: (offset + members[worker].contributions + underWay) % count }
}

/** Eq. 2 on what was assigned, not on what came back: else two idle workers draw the same shard. */
function drawShard({ shards }: LedgerState, seed: number, index: number): number {
  const sizes = shards.map(({ size }) => size)
  return draw(probabilities(sizes, shards.map(consumedSteps)), uniform(seed, stream.shardDraw, index))
}

/** Rounds past their deadline go back to their shards; the worker, if it is alive, gets another. */
export function expireOverdue(turn: Turn): void {
  const { lead } = turn.state
  if (lead === null || lead.head.finished !== null) return
  for (const { id, worker, deadlineMs: granted } of Object.values(lead.head.open)) {
    const elapsed = turn.at - (lead.assignedAt[id] ?? lead.since)
    if (elapsed <= granted) continue
    const reason = `not back after ${Math.round(elapsed / 1000)} s`
    propose(turn, { kind: 'expire', assignment: id, worker, reason })
    const silentMs = turn.at - (lead.heardAt[worker] ?? lead.since)
    if (silentMs < doubtMs || worker === turn.state.setup.self.id) enlist(turn, worker)
  }
}

/** Length of the grace window from what was measured so far; 0 before anything was. */
function graceOf(turn: Turn, lead: Lead): number {
  const { run } = turn.state.setup
  const speeds = speedsOf(lead.head)
  if (run.grace === 'auto' && speeds.length === 0) return 0
  return graceMs({
    setting: run.grace,
    slowestStepMs: 1000 / Math.min(...speeds),
    transferSpreadMs: spread(lead.overheads),
    roundMs: (run.localSteps / Math.max(...speeds)) * 1000 + median(lead.overheads),
  })
}

/** Of the latest rounds; before the first, of the rehearsal. Speed 0 is no measure. */
function speedsMeasured({ speeds, rehearsed }: Member): readonly number[] {
  const measured = speeds.filter((speed) => speed > 0)
  return measured.length > 0 || rehearsed === null || rehearsed <= 0 ? measured : [rehearsed]
}

/** The running estimate: the median of measured rounds, before the first the rehearsal. Speed 0 is no measure. */
function speedOf({ speeds, rehearsed }: Member): number | null {
  const speed = robustSpeed(speeds) ?? rehearsed
  return speed !== null && speed > 0 ? speed : null
}

function speedsOf(ledger: LedgerState): number[] {
  return presentWorkers(ledger)
    .map(speedOf)
    .filter((speed) => speed !== null)
}

function fastestOf(ledger: LedgerState): number | null {
  return fastestSpeed(speedsOf(ledger))
}
