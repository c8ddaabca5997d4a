// A worker's round: take an assignment, get its base version, train, offer, wait for the verdict.
import { reofferMs } from './deadlines.js'
import type { Assignment, Entry, Verdict } from './entries.js'
import type { AssignmentId, Version } from './ids.js'
import type { Manifest, Pulse } from './messages.js'
import { startAfresh } from './replica.js'
import { change, changeWorker, emit, type PeerState, report, type Turn } from './state.js'

/** Takes from a ledger entry what concerns this worker; the same entry may come by several ways. */
export function workerOnEntry(turn: Turn, entry: Entry): void {
  const self = turn.state.setup.self.id
  switch (entry.kind) {
    case 'assign':
      if (entry.assignment.worker === self) takeUp(turn, entry.assignment, entry.index)
      break
    case 'apply':
    case 'refuse':
    case 'expire':
      if (entry.worker === self) onVerdict(turn, entry)
      break
    case 'evict':
      if (entry.peer === self && turn.state.finishing === null) rejoin(turn, entry.reason)
      break
    case 'no-op':
    case 'admit':
    case 'finish':
      break
    default:
      entry satisfies never
  }
}

function takeUp(turn: Turn, assignment: Assignment, index: number): void {
  const { worker, finishing } = turn.state
  if (finishing !== null) return
  if (worker.gaveUp?.assignment === assignment.id) return giveUp(turn, assignment.id, worker.gaveUp.reason)
  if (index <= worker.newest) return
  if (worker.now.phase === 'training') emit(turn, { type: 'abort-training' })
  if (worker.now.phase === 'offering') emit(turn, { type: 'cancel-timer', name: 'reoffer' })
  changeWorker(turn, { now: { phase: 'fetching', assignment, asked: false }, newest: index })
  getBase(turn)
}

/** Trains at once if the own replica holds the base version. It must be the leader's, or the work is for nothing. */
export function beginIfHeld(turn: Turn): boolean {
  const { worker, replica } = turn.state
  if (worker.now.phase !== 'fetching' || replica?.applied !== worker.now.assignment.base) return false
  const { assignment } = worker.now
  if (replica.digest === assignment.baseDigest) begin(turn, assignment)
  else startAfresh(turn, `version ${assignment.base} has another digest here than at the leader`)
  return true
}

/**
 * Trains at once if the base version is held; else waits for the own replica, or fetches it. Before the welcome
 * it is open which: it may bring a snapshot.
 */
export function getBase(turn: Turn): void {
  const { worker, replica, installing, joined, leader, setup } = turn.state
  if (worker.now.phase !== 'fetching' || worker.now.asked || beginIfHeld(turn)) return
  if (!joined && leader !== setup.self.id) return
  const { assignment } = worker.now
  const willHold = installing || (replica !== null && replica.applied < assignment.base)
  if (willHold) return
  const { base: version, baseDigest: digest } = assignment
  // Only a leader that came back is past a version that it gave out: nobody has kept it.
  if (leader === setup.self.id) return onThetaFailed(turn, version, 'the run is past it')
  changeWorker(turn, { now: { ...worker.now, asked: true } })
  emit(turn, { type: 'fetch-theta', version, digest, donors: [leader] })
}

export function onThetaReady(turn: Turn, version: Version): void {
  const { worker, installing, replica } = turn.state
  // A snapshot replaces what was fetched before it: the base is got again when it is in.
  if (installing || worker.now.phase !== 'fetching' || worker.now.assignment.base !== version) return
  const { assignment } = worker.now
  // A replica reports the versions that it makes.
  if (replica === null)
    report(turn, { type: 'digest', version, digest: assignment.baseDigest, stateDigest: null })
  begin(turn, assignment)
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

function begin(turn: Turn, assignment: Assignment): void {
  changeWorker(turn, { now: { phase: 'training', assignment, step: 0 } })
  emit(turn, { type: 'train', assignment })
}

export function onStepped(turn: Turn, id: AssignmentId, step: number, loss: number, ms: number): void {
  const { now } = turn.state.worker
  if (now.phase !== 'training' || now.assignment.id !== id) return
  changeWorker(turn, { now: { ...now, step } })
  const { base: version, steps } = now.assignment
  report(turn, { type: 'step-loss', assignment: id, version, step, steps, loss, ms })
}

/** The contribution is durable: it is kept, and offered again, until its verdict is known. */
export function onTrained(turn: Turn, manifest: Manifest): void {
  const { now } = turn.state.worker
  if (now.phase !== 'training' || now.assignment.id !== manifest.assignment) return
  const { assignment, bytes, codec, norm, loss } = manifest
  report(turn, { type: 'contributed', assignment, bytes, codec, norm, loss })
  offer(turn, manifest)
}

export function offer(turn: Turn, manifest: Manifest): void {
  const cluster = turn.state.setup.self.cluster
  changeWorker(turn, { now: { phase: 'offering', manifest, offers: 0 }, speed: manifest.speed })
  emit(turn, { type: 'publish-contribution', topic: { kind: 'gradients', cluster }, manifest })
}

/** From here on a verdict may be expected: while chunks still leave, an offer would have them sent twice. */
export function onPublished(turn: Turn, id: AssignmentId): void {
  const { now } = turn.state.worker
  if (now.phase !== 'offering' || now.manifest.assignment !== id || now.offers > 0) return
  emit(turn, { type: 'set-timer', name: 'reoffer', afterMs: reofferMs(0) })
}

/** The leader is another one, or within reach again: what is offered need not wait for its next turn. */
export function offerSoon(turn: Turn): void {
  const { now } = turn.state.worker
  if (now.phase !== 'offering') return
  changeWorker(turn, { now: { ...now, offers: 0 } })
  emit(turn, { type: 'set-timer', name: 'reoffer', afterMs: 0 })
}

/** No verdict yet: gossip may have lost chunks, or the leader may be another one. */
export function onReofferDue(turn: Turn): void {
  const { worker, leader } = turn.state
  if (worker.now.phase !== 'offering') return
  const offers = worker.now.offers + 1
  changeWorker(turn, { now: { ...worker.now, offers } })
  emit(turn, { type: 'send', to: leader, message: { type: 'offer', manifest: worker.now.manifest } })
  emit(turn, { type: 'set-timer', name: 'reoffer', afterMs: reofferMs(offers) })
}

/** A round that failed here (a loss that is not finite, an engine error) is never sent. */
export function onTrainingFailed(turn: Turn, id: AssignmentId, reason: string): void {
  const { now } = turn.state.worker
  if (now.phase !== 'training' || now.assignment.id !== id) return
  report(turn, { type: 'refused', what: 'own round', from: turn.state.setup.self.name, reason })
  giveUp(turn, id, reason)
}

function giveUp(turn: Turn, assignment: AssignmentId, reason: string): void {
  changeWorker(turn, { now: { phase: 'idle' }, gaveUp: { assignment, reason } })
  emit(turn, { type: 'send', to: turn.state.leader, message: { type: 'give-up', assignment, reason } })
}

function onVerdict(turn: Turn, verdict: Verdict): void {
  const { now } = turn.state.worker
  const current = currentAssignment(turn.state)
  if (current !== verdict.assignment) return
  if (now.phase === 'training') emit(turn, { type: 'abort-training' })
  if (now.phase === 'offering') {
    emit(turn, { type: 'cancel-timer', name: 'reoffer' })
    emit(turn, { type: 'forget-contribution', assignment: verdict.assignment, outcome: verdict.kind })
  }
  changeWorker(turn, { now: { phase: 'idle' } })
}

function rejoin(turn: Turn, reason: string): void {
  report(turn, {
    type: 'warning',
    message: `The leader let this peer go (${reason}); asking to be taken in again.`,
  })
  change(turn, { joined: false })
  emit(turn, { type: 'set-timer', name: 'rejoin', afterMs: 0 })
}

/** Leaves whatever the worker was at; the durable contribution, if there is one, stays on disk. */
export function stopWork(turn: Turn): void {
  const { phase } = turn.state.worker.now
  if (phase === 'training') emit(turn, { type: 'abort-training' })
  if (phase === 'offering') emit(turn, { type: 'cancel-timer', name: 'reoffer' })
  changeWorker(turn, { now: { phase: 'idle' } })
}

export function currentAssignment({ worker: { now } }: PeerState): AssignmentId | null {
  switch (now.phase) {
    case 'idle':
      return null
    case 'fetching':
    case 'training':
      return now.assignment.id
    case 'offering':
      return now.manifest.assignment
  }
}

/** What a worker answers to a heartbeat. */
export function pulse(state: PeerState): Pulse {
  const { replica, worker, term } = state
  return {
    type: 'pulse',
    term,
    index: replica?.ledger.index ?? 0,
    held: replica === null ? null : { version: replica.applied, stateDigest: replica.stateDigest },
    phase: worker.now.phase,
    assignment: currentAssignment(state),
    step: worker.now.phase === 'training' ? worker.now.step : 0,
  }
}
