// A replica takes committed entries in order and the outer step of every `apply`, one at a time.
import type { Entry } from './entries.js'
import type { Hash, PeerId, Version } from './ids.js'
import { applyEntry, type LedgerState } from './ledger.js'
import {
  type Announced,
  change,
  changeReplica,
  changeWorker,
  emit,
  type HeldState,
  type PeerState,
  type Replica,
  report,
  type Turn,
} from './state.js'

/** Entries kept for peers that are behind; older ones are covered by a snapshot. */
const logKept = 4_096
/** Announced digests kept for comparison: a replica is rarely further behind than this, and catches up if it is. */
const announcedKept = 64
/** An outer step whose payload could not be had is tried again after this long: donors may come back. */
const retryMs = 1_000
/** An outer step that failed this often will not succeed: its payload is covered by a snapshot, so take that. */
const mostFailures = 10
/** Outer steps waiting: a replica further behind than this would be sooner up to date by a snapshot. */
const mostQueued = 256

/** A replica with no outer step to take. */
export function replicaOf({ ledger, log, digest, stateDigest }: HeldState): Replica {
  return {
    ledger,
    log,
    applied: ledger.version,
    digest,
    stateDigest,
    queue: [],
    busy: false,
    failures: 0,
    broken: null,
    askedAt: null,
  }
}

/** Adds one committed entry; the caller has made sure that it is the next one. */
export function commitToReplica(turn: Turn, entry: Entry): void {
  const replica = turn.state.replica
  if (replica === null) return
  const ledger = applyEntry(replica.ledger, entry)
  changeReplica(turn, { ledger, log: [...replica.log, entry].slice(-logKept) })
  if (entry.kind === 'apply') {
    changeReplica(turn, { queue: [...replica.queue, { entry, ledger }] })
    if (replica.queue.length >= mostQueued)
      return startAfresh(turn, `it is ${replica.queue.length} versions behind`)
    pump(turn)
  }
}

/** The vectors of the next version are there: whether they are the leader's, bit for bit, is checked here. */
export function onOuterApplied(turn: Turn, version: Version, digest: Hash, stateDigest: Hash): boolean {
  const replica = turn.state.replica
  if (replica === null || !replica.busy || version !== replica.applied + 1) return false
  const queue = replica.queue.slice(1)
  changeReplica(turn, { applied: version, digest, stateDigest, busy: false, queue, failures: 0 })
  report(turn, { type: 'digest', version, digest, stateDigest })
  if (!agrees(turn, version)) return false
  pump(turn)
  return true
}

export function onOuterFailed(turn: Turn, version: Version, reason: string): void {
  const replica = turn.state.replica
  if (replica === null || !replica.busy || version !== replica.applied + 1) return
  changeReplica(turn, { busy: false, failures: replica.failures + 1 })
  if (replica.failures + 1 >= mostFailures && turn.state.lead === null)
    return startAfresh(turn, `version ${version} cannot be made here: ${reason}`)
  report(turn, {
    type: 'warning',
    message: `Version ${version} could not be made yet: ${reason}. Trying again.`,
  })
  emit(turn, { type: 'set-timer', name: 'retry-apply', afterMs: retryMs })
}

/** Takes up a fetched snapshot; entries after it are asked for by the caller. */
export function installSnapshot(turn: Turn, ledger: LedgerState, digest: Hash, stateDigest: Hash): void {
  change(turn, {
    installing: false,
    replica: replicaOf({ ledger, log: [], digest, stateDigest }),
  })
  report(turn, { type: 'digest', version: ledger.version, digest, stateDigest })
}

/** The leader says what a version's digests are. */
export function onVersionAnnounced(turn: Turn, version: Version, digest: Hash, stateDigest: Hash): void {
  rememberAnnounced(turn, version, digest, stateDigest)
  if (turn.state.replica?.applied === version) agrees(turn, version)
}

export function rememberAnnounced(turn: Turn, version: Version, digest: Hash, stateDigest: Hash): void {
  const { announced } = turn.state
  if (announcedOf(turn.state, version)?.stateDigest === stateDigest) return
  change(turn, { announced: [...announced, { version, digest, stateDigest }].slice(-announcedKept) })
}

/** What the leader said last of a version. */
export function announcedOf({ announced }: PeerState, version: Version): Announced | undefined {
  return announced.findLast((one) => one.version === version)
}

/** Starts the next outer step unless one is running. */
export function pump(turn: Turn): void {
  const replica = turn.state.replica
  if (replica === null || replica.busy || replica.broken !== null || replica.queue.length === 0) return
  const { entry, ledger } = replica.queue[0]
  changeReplica(turn, { busy: true })
  const donors = [turn.state.leader, entry.worker].filter((peer) => peer !== turn.state.setup.self.id)
  emit(turn, { type: 'apply-outer', entry, ledger, version: ledger.version, donors })
}

/** Asks the leader for a snapshot to replace what is held. */
export function fetchSnapshot(turn: Turn, version: Version, stateDigest: Hash, donor: PeerId): void {
  const { now } = turn.state.worker
  change(turn, { installing: true, replica: null })
  if (now.phase === 'fetching') changeWorker(turn, { now: { ...now, asked: false } })
  emit(turn, { type: 'fetch-snapshot', version, stateDigest, donors: [donor] })
}

/** A replica whose state differs from the leader's stops using it, says so, and joins afresh. */
function agrees(turn: Turn, version: Version): boolean {
  const { replica, lead } = turn.state
  const expected = announcedOf(turn.state, version)
  if (replica === null || lead !== null || expected === undefined) return true
  if (expected.stateDigest === replica.stateDigest) return true
  const [here, there] = [replica.stateDigest, expected.stateDigest].map((digest) => digest.slice(0, 12))
  startAfresh(turn, `version ${version} has digest ${here} here and ${there} at the leader`)
  return false
}

/**
 * Lets go of the own outer state and asks for the leader's snapshot. A round that starts from the own state is
 * given up unheard: the leader gives it again.
 */
export function startAfresh(turn: Turn, reason: string): void {
  const { now, newest } = turn.state.worker
  report(turn, {
    type: 'refused',
    what: 'own outer state',
    from: null,
    reason: `${reason}; starting again from the leader's snapshot`,
  })
  if (now.phase === 'training') emit(turn, { type: 'abort-training' })
  if (now.phase === 'training' || now.phase === 'fetching')
    changeWorker(turn, { now: { phase: 'idle' }, newest: newest - 1 })
  change(turn, { replica: null, joined: false })
  emit(turn, { type: 'set-timer', name: 'rejoin', afterMs: 0 })
}
