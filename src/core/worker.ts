// A worker's rounds: take an assignment, get its base version, train, offer, wait for the verdict; and where the
// run allows it, go on meanwhile with a round given in advance.
import { codecFor, measureTransfer } from './compressing.js'
import { donorsOf } from './donors.js'
import type { Assignment, Entry, Verdict } from './entries.js'
import { type AssignmentId, indexOf, type Version } from './ids.js'
import type { LedgerState } from './ledger.js'
import type { Manifest, Settled } from './messages.js'
import { forget, hold, letGoOfApplied, offerSoon, overWith, publish, unsettled } from './offering.js'
import { assignmentsOf } from './pulse.js'
import { change, changeWorker, emit, refuse, report, type Turn, toLeader } from './state.js'

/** Takes from a ledger entry what concerns this worker; the same entry may come by several ways. */
export function workerOnEntry(turn: Turn, entry: Entry): void {
  const self = turn.state.setup.self.id
  switch (entry.kind) {
    case 'assign':
      if (entry.assignment.worker === self) takeUp(turn, entry.assignment)
      break
    case 'apply':
      if (entry.worker === self) onVerdict(turn, entry.assignment, 'apply', entry.version)
      break
    case 'refuse':
    case 'expire':
      if (entry.worker === self) onVerdict(turn, entry.assignment, entry.kind, null)
      break
    case 'evict':
      if (entry.peer === self && isStaying(turn)) rejoin(turn, entry.reason)
      break
    case 'revoke':
      emit(turn, { type: 'shut-out', who: entry.who })
      // Why is told by the leader itself, once it is asked.
      if (entry.who === self && isStaying(turn)) askAgain(turn)
      break
    case 'no-op':
    case 'configure':
    case 'admit':
    case 'validate':
    case 'report':
    case 'merge':
    case 'finish':
      break
    default:
      entry satisfies never
  }
}

const isStaying = ({ state }: Turn): boolean => state.finishing === null && !state.leaving

/**
 * A round that continues another waits until that one is trained; any other takes the place of all there is. How
 * contributions before it ended is asked first, if that was not heard: what was sent counts on it.
 */
function takeUp(turn: Turn, assignment: Assignment): void {
  const { worker, finishing, leaving } = turn.state
  if (finishing !== null || leaving) return
  // Said once more, and no more than that: another round may have begun since.
  if (worker.gaveUp?.assignment === assignment.id)
    return toLeader(turn, { type: 'give-up', ...worker.gaveUp })
  if (worker.over.includes(assignment.id) || assignmentsOf(turn.state).includes(assignment.id)) return
  if (assignment.after === null) {
    if (worker.now.phase === 'training') emit(turn, { type: 'abort-training' })
    for (const { manifest, version } of worker.pending)
      if (version !== null) forget(turn, manifest.assignment, 'apply')
    changeWorker(turn, { now: { phase: 'idle' }, ahead: [assignment] })
    offerSoon(turn)
  } else changeWorker(turn, { ahead: [...worker.ahead, assignment].sort(byAge) })
  beginNext(turn)
}

const byAge = (a: Assignment, b: Assignment): number => indexOf(a.id) - indexOf(b.id)

function beginNext(turn: Turn): void {
  const { now, ahead } = turn.state.worker
  const [assignment, ...rest] = ahead
  if (now.phase !== 'idle' || assignment === undefined) return
  if (assignment.after === null && unsettled(turn.state).length > 0) return
  changeWorker(turn, { now: { phase: 'fetching', assignment, asked: false }, ahead: rest })
  getBase(turn)
}

/**
 * Trains at once if the own replica holds the base version; a round that continues another also starts from a newer
 * one. It must be the one assigned, or the work is for nothing.
 */
export function beginIfHeld(turn: Turn): boolean {
  const { worker, replica } = turn.state
  if (worker.now.phase !== 'fetching' || replica === null || replica.healing !== null) return false
  const { assignment } = worker.now
  if (replica.applied === assignment.base) {
    // Whose digest is the right one, the voters say; until then the round waits.
    if (replica.digest !== assignment.baseDigest) return false
  } else if (assignment.after === null || replica.applied < assignment.base) return false
  begin(turn, assignment, replica.applied)
  return true
}

/**
 * Trains at once if the base version is held; else waits for the own replica, or fetches it. Before the welcome
 * it is open which: it may bring a snapshot.
 */
export function getBase(turn: Turn): void {
  const { worker, replica, installing, joined, lead } = turn.state
  if (worker.now.phase !== 'fetching' || worker.now.asked || beginIfHeld(turn)) return
  const { assignment } = worker.now
  if (!joined && lead === null && assignment.after === null) return
  const isHealing = replica !== null && replica.healing !== null
  // Of the base version itself the replica has another state: it waits until the voters have said whose is right.
  const willHold = installing || isHealing || (replica !== null && replica.applied <= assignment.base)
  if (willHold) return
  const { base: version, baseDigest: digest } = assignment
  const donors = donorsOf(turn, null)
  if (donors.length === 0 && assignment.after === null)
    return onThetaFailed(turn, version, 'nobody else is there who may hold it')
  changeWorker(turn, { now: { ...worker.now, asked: true } })
  emit(turn, { type: 'fetch-theta', version, digest, donors })
}

export function onThetaReady(turn: Turn, version: Version): void {
  const { worker, installing, replica } = turn.state
  // A snapshot replaces what was fetched before it: the base is got again when it is in.
  if (installing || worker.now.phase !== 'fetching' || worker.now.assignment.base !== version) return
  const { assignment } = worker.now
  // A replica reports the versions that it makes.
  if (replica === null)
    report(turn, { type: 'digest', version, digest: assignment.baseDigest, stateDigest: null })
  begin(turn, assignment, version)
}

/** Given up: the leader gives another, from a version that it holds. */
export function onThetaFailed(turn: Turn, version: Version, reason: string): void {
  const { worker, installing } = turn.state
  const { now } = worker
  if (installing || now.phase !== 'fetching' || now.assignment.base !== version) return
  const message = `version ${version} could not be fetched: ${reason}`
  report(turn, { type: 'warning', message })
  giveUp(turn, now.assignment.id, message)
}

/**
 * Starts from a version less the own contributions that it lacks: what the worker has moved meanwhile is carried on,
 * x = theta_new + (x - theta_end), and its next pseudo-gradient is of the round's own steps alone.
 */
function begin(turn: Turn, assignment: Assignment, base: Version): void {
  letGoOfApplied(turn, base)
  const without = turn.state.worker.pending.map(({ manifest }) => manifest.assignment)
  changeWorker(turn, { now: { phase: 'training', assignment, base, step: 0 } })
  emit(turn, { type: 'train', assignment, base, without, codec: codecFor(turn, assignment) })
}

export function onStepped(turn: Turn, id: AssignmentId, step: number, loss: number, ms: number): void {
  const { now } = turn.state.worker
  if (now.phase !== 'training' || now.assignment.id !== id) return
  changeWorker(turn, { now: { ...now, step } })
  const { base: version } = now
  report(turn, { type: 'step-loss', assignment: id, version, step, steps: now.assignment.steps, loss, ms })
}

/** The contribution is durable: it is kept, and offered again, until its verdict is known. */
export function onTrained(turn: Turn, manifest: Manifest): void {
  const { now } = turn.state.worker
  if (now.phase !== 'training' || now.assignment.id !== manifest.assignment) return
  const { assignment, fragment, bytes, codec, norm, loss } = manifest
  const of = fragment === undefined ? {} : { fragment }
  report(turn, { type: 'contributed', assignment, ...of, bytes, codec, norm, loss })
  changeWorker(turn, { now: { phase: 'idle' } })
  hold(turn, [manifest], turn.at)
  publish(turn, manifest)
  beginNext(turn)
}

/** A round that failed here (a loss that is not finite, an engine error) is never sent. */
export function onTrainingFailed(turn: Turn, id: AssignmentId, reason: string): void {
  const { now } = turn.state.worker
  if (now.phase !== 'training' || now.assignment.id !== id) return
  refuse(turn, 'own round', turn.state.setup.self.name, reason)
  giveUp(turn, id, reason)
}

function giveUp(turn: Turn, assignment: AssignmentId, reason: string): void {
  const over = overWith(turn.state, assignment)
  changeWorker(turn, { now: { phase: 'idle' }, gaveUp: { assignment, reason }, over })
  toLeader(turn, { type: 'give-up', assignment, reason })
  beginNext(turn)
}

/** @param version that the contribution made, if it was applied */
function onVerdict(
  turn: Turn,
  id: AssignmentId,
  outcome: Verdict['kind'] | null,
  version: Version | null,
): void {
  const { now, ahead, pending, over } = turn.state.worker
  if (ahead.some((assignment) => assignment.id === id))
    changeWorker(turn, { ahead: ahead.filter((assignment) => assignment.id !== id) })
  changeWorker(turn, { over: over.includes(id) ? over : overWith(turn.state, id) })
  if (now.phase !== 'idle' && now.assignment.id === id) {
    if (now.phase === 'training') emit(turn, { type: 'abort-training' })
    changeWorker(turn, { now: { phase: 'idle' } })
    return beginNext(turn)
  }
  const judged = pending.find(({ manifest }) => manifest.assignment === id)
  if (judged === undefined) return
  if (judged.version === null && outcome === 'apply') measureTransfer(turn, judged)
  if (outcome === 'apply')
    changeWorker(turn, {
      pending: pending.map((one) => (one.manifest.assignment === id ? { ...one, version } : one)),
    })
  else forget(turn, id, outcome)
  letGoOfApplied(turn, turn.state.replica?.applied ?? null)
  if (unsettled(turn.state).length > 0) return
  emit(turn, { type: 'cancel-timer', name: 'reoffer' })
  beginNext(turn)
}

/** How a round ended whose entry the leader has no longer. */
export function onSettled(turn: Turn, { assignment, outcome, version }: Settled): void {
  onVerdict(turn, assignment, outcome, version)
}

/** A snapshot holds what the ledger said while this peer was away: an eviction it has not met as an entry. */
export function rejoinIfLetGo(turn: Turn, { members }: LedgerState): void {
  const own = members[turn.state.setup.self.id]
  if (own?.present === false && isStaying(turn)) rejoin(turn, 'while it was away')
}

function rejoin(turn: Turn, reason: string): void {
  report(turn, {
    type: 'warning',
    message: `The leader let this peer go (${reason}); asking to be taken in again.`,
  })
  askAgain(turn)
}

function askAgain(turn: Turn): void {
  change(turn, { joined: false })
  emit(turn, { type: 'set-timer', name: 'rejoin', afterMs: 0 })
}

/** The vectors under a round are not to be used: it is given up unheard, and taken up again when its entry comes. */
export function dropRound(turn: Turn): void {
  const { now } = turn.state.worker
  if (now.phase === 'training') emit(turn, { type: 'abort-training' })
  changeWorker(turn, { now: { phase: 'idle' }, ahead: [] })
}

/** Leaves whatever the worker was at; durable contributions, if there are any, stay on disk. */
export function stopWork(turn: Turn): void {
  dropRound(turn)
  if (turn.state.worker.pending.length > 0) emit(turn, { type: 'cancel-timer', name: 'reoffer' })
  changeWorker(turn, { pending: [] })
}
