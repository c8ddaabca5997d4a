// A replica takes committed entries in order and the outer step of every `apply`, one at a time.
import { admitted, getToKnow, getToKnowAll } from './acquaintance.js'
import { applyEntry } from './apply-entry.js'
import { donorsOf } from './donors.js'
import { changesTheta, type Entry, isVerdict, payloadsOf } from './entries.js'
import type { Hash, Version } from './ids.js'
import type { LedgerState } from './ledger.js'
import { compacted, configurationOf, entriesFrom, lastPoint, termAt } from './log.js'
import type { LogPoint } from './messages.js'
import { filterKeys } from './records.js'
import {
  type Announced,
  change,
  changeReplica,
  changeWorker,
  emit,
  type HeldState,
  type OuterStep,
  type PeerState,
  type Replica,
  refuse,
  report,
  type Turn,
} from './state.js'
import { dropRound } from './worker.js'

/** Announced digests, and those of versions made here, kept for comparison: a replica is rarely further behind. */
const digestsKept = 64
/** An outer step whose payload could not be had is tried again after this long: donors may come back. */
const retryMs = 1_000
/** An outer step that failed this often will not succeed: its payload is covered by a snapshot, so take that. */
const mostFailures = 10
/** Outer steps waiting: a replica further behind than this would be sooner up to date by a snapshot. */
const mostQueued = 256
/** Entries after which a snapshot is due even if few versions were made. */
const entriesPerSnapshot = 1_000

/** What a disk kept, or a run begins with: its entries are not known to be committed yet. */
export function replicaOf({ ledger, digest, stateDigest, base, log, payloads }: HeldState): Replica {
  const point: LogPoint = { index: ledger.index, term: ledger.term }
  // A snapshot may be ahead of the log: then nothing of the log counts.
  const continues = termAt({ base, log }, point.index) === point.term
  const kept = continues ? { base, log } : { base: point, log: [] }
  return {
    ...kept,
    ledger,
    configuration: configurationOf(kept, ledger),
    matched: ledger.index,
    waiting: null,
    payloads: Object.fromEntries(payloads.map((payload) => [payload, true])) as Replica['payloads'],
    arrived: {},
    applied: ledger.version,
    digest,
    stateDigest,
    made: [{ version: ledger.version, stateDigest }],
    queue: [],
    busy: false,
    failures: 0,
    broken: null,
    healing: null,
    saved: [point],
    saving: point.index,
  }
}

/** Adds one committed entry; the caller has made sure that it is the next one. */
export function commitToReplica(turn: Turn, entry: Entry): void {
  const { replica } = turn.state
  if (replica === null) return
  const ledger = applyEntry(replica.ledger, entry)
  changeReplica(turn, { ledger })
  if (isVerdict(entry)) settleArrival(turn, entry)
  if (entry.kind === 'admit') getToKnow(turn, admitted(entry))
  if (changesTheta(entry)) {
    changeReplica(turn, { queue: [...replica.queue, { entry, ledger }] })
    if (replica.queue.length >= mostQueued && turn.state.lead === null)
      return startAfresh(turn, `it is ${replica.queue.length} versions behind`)
    pump(turn)
  } else if (replica.applied === ledger.version && replica.healing === null)
    saveIfDue(turn, ledger.version, ledger, false)
}

/** Its verdict is committed: a payload that no apply names is needed no more. */
function settleArrival(turn: Turn, entry: Entry & { assignment: keyof Replica['arrived'] }): void {
  const { replica } = turn.state
  const arrival = replica?.arrived[entry.assignment]
  if (replica === null || arrival === undefined) return
  changeReplica(turn, { arrived: filterKeys(replica.arrived, (id) => id !== entry.assignment) })
  if (payloadsOf(entry).includes(arrival.manifest.payload)) return
  dropPayloads(turn, [arrival.manifest.payload])
}

/** Payloads that something else here still names are kept: two contributions may have the same bytes. */
export function dropPayloads(turn: Turn, payloads: readonly Hash[]): void {
  const { replica } = turn.state
  if (replica === null || payloads.length === 0) return
  const named = payloadsNamed(replica)
  const dropped = payloads.filter((payload) => !named.has(payload))
  if (dropped.length === 0) return
  changeReplica(turn, { payloads: filterKeys(replica.payloads, (payload) => !dropped.includes(payload)) })
  emit(turn, { type: 'drop-payloads', payloads: dropped })
}

function payloadsNamed({ log, queue, waiting, arrived, ledger }: Replica): ReadonlySet<Hash> {
  const entries = [...log, ...queue.map(({ entry }) => entry), ...(waiting?.entries ?? [])]
  const report = ledger.parent?.report ?? null
  return new Set([
    ...entries.flatMap(payloadsOf),
    ...Object.values(arrived).map(({ manifest }) => manifest.payload),
    ...(report === null ? [] : [report.payload]),
  ])
}

/** The vectors of the next version are there. */
export function onOuterApplied(turn: Turn, version: Version, digest: Hash, stateDigest: Hash): boolean {
  const { replica } = turn.state
  if (replica === null || !replica.busy || replica.healing !== null || version !== replica.applied + 1)
    return false
  const { ledger } = replica.queue[0]
  const made = [...replica.made, { version, stateDigest }].slice(-digestsKept)
  changeReplica(turn, {
    applied: version,
    digest,
    stateDigest,
    made,
    busy: false,
    queue: replica.queue.slice(1),
    failures: 0,
  })
  report(turn, { type: 'digest', version, digest, stateDigest })
  saveIfDue(turn, version, ledger, true)
  pump(turn)
  return true
}

export function onOuterFailed(turn: Turn, version: Version, reason: string): void {
  const { replica } = turn.state
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

/**
 * A snapshot is due with every checkpoint's version, and where entries piled up without one.
 *
 * @param isNew the version was just made; else only the ledger went on
 */
function saveIfDue(turn: Turn, version: Version, ledger: LedgerState, isNew: boolean): void {
  const { replica, setup } = turn.state
  if (replica === null || ledger.index <= replica.saving) return
  const isCheckpoint = isNew && version % setup.run.checkpoints.everyVersions === 0
  if (!isCheckpoint && ledger.index - replica.saving < entriesPerSnapshot) return
  changeReplica(turn, { saving: ledger.index })
  emit(turn, { type: 'save-snapshot', version, ledger })
}

/** A snapshot is durable. What the one before it covers is forgotten: that one stands in if this one is damaged. */
export function onSnapshotSaved(turn: Turn, point: LogPoint): void {
  const { replica } = turn.state
  const newest = replica?.saved.at(-1)
  if (replica === null || (newest !== undefined && point.index <= newest.index)) return
  changeReplica(turn, { saved: newest === undefined ? [point] : [newest, point] })
  // What is not yet known to be committed is never forgotten.
  if (newest === undefined || newest.index > replica.ledger.index || newest.index <= replica.base.index)
    return
  const covered = entriesFrom(replica, replica.base.index + 1, newest.index - replica.base.index)
  changeReplica(turn, compacted(replica, newest))
  emit(turn, { type: 'compact', base: newest })
  dropPayloads(turn, covered.flatMap(payloadsOf))
}

/**
 * Takes up a fetched snapshot. What the log has after it stays, for a majority may count on it; a log that it goes
 * beyond is replaced.
 */
export function installSnapshot(turn: Turn, ledger: LedgerState, digest: Hash, stateDigest: Hash): void {
  const { replica } = turn.state
  const point: LogPoint = { index: ledger.index, term: ledger.term }
  const continues = replica !== null && termAt(replica, point.index) === point.term
  const held = { hard: hardlyKnown, ledger, digest, stateDigest, base: point, log: [], payloads: [] }
  change(turn, { installing: false })
  if (!continues) {
    change(turn, { replica: { ...replicaOf(held), payloads: replica?.payloads ?? {} } })
    // In order with what is on its way to the disk for the log that this one replaces.
    emit(turn, { type: 'compact', base: point })
  } else {
    const { base, log, payloads, arrived, matched } = replica
    const committed = Math.max(replica.ledger.index, ledger.index)
    const fresh = replicaOf({ ...held, base, log })
    change(turn, { replica: { ...fresh, payloads, arrived, matched: Math.max(matched, ledger.index) } })
    for (const entry of entriesFrom(replica, ledger.index + 1, committed - ledger.index))
      commitToReplica(turn, entry)
  }
  if (turn.state.replica !== null) getToKnowAll(turn, turn.state.replica)
  report(turn, { type: 'digest', version: ledger.version, digest, stateDigest })
}

/** A snapshot says nothing of terms and votes; what the peer knows of them stays. */
const hardlyKnown: HeldState['hard'] = { term: 0, vote: null, epoch: 0 }

/** The leader says what a version's digests are. */
export function rememberAnnounced(turn: Turn, version: Version, digest: Hash, stateDigest: Hash): void {
  const { announced } = turn.state
  if (announcedOf(turn.state, version)?.stateDigest === stateDigest) return
  change(turn, { announced: [...announced, { version, digest, stateDigest }].slice(-digestsKept) })
}

/** What the leader said last of a version. */
export function announcedOf({ announced }: PeerState, version: Version): Announced | undefined {
  return announced.findLast((one) => one.version === version)
}

/** Starts the next outer step unless one is running. */
export function pump(turn: Turn): void {
  const { replica, installing } = turn.state
  // What a snapshot is about to replace goes no further.
  if (replica === null || installing || replica.busy) return
  if (replica.broken !== null || replica.healing !== null) return
  const next: OuterStep | undefined = replica.queue[0]
  if (next === undefined) return
  changeReplica(turn, { busy: true })
  const { entry, ledger } = next
  const donors = donorsOf(turn, entry.kind === 'apply' ? entry.worker : null)
  emit(turn, { type: 'apply-outer', entry, ledger, version: ledger.version, donors })
}

/** Asks for a snapshot to replace what is held, or to begin with. */
export function fetchSnapshot(turn: Turn, version: Version, stateDigest: Hash): void {
  const { now } = turn.state.worker
  change(turn, { installing: true })
  if (now.phase === 'fetching') changeWorker(turn, { now: { ...now, asked: false } })
  const { leader } = turn.state
  const donors = leader === null ? donorsOf(turn, null) : [leader]
  const least = turn.state.replica?.base.index ?? 0
  emit(turn, { type: 'fetch-snapshot', version, stateDigest, least, donors })
}

/**
 * The vectors here are not to be used: the leader's snapshot takes their place. The log stays, for what it
 * acknowledged is counted on. A round that starts from them is given up unheard: the leader gives it again.
 */
export function startAfresh(turn: Turn, reason: string): void {
  refuse(turn, 'own outer state', null, `${reason}; starting again from the leader's snapshot`)
  dropRound(turn)
  changeReplica(turn, { healing: reason, busy: false })
  change(turn, { joined: false })
  emit(turn, { type: 'set-timer', name: 'rejoin', afterMs: 0 })
}

/** The ledger here and the run's contradict each other: nothing of it can be kept. */
export function abandonReplica(turn: Turn, reason: string): void {
  refuse(turn, 'own ledger', null, `${reason}; joining the run anew`)
  dropRound(turn)
  change(turn, { replica: null, installing: false, joined: false })
  emit(turn, { type: 'forget-replica' })
  emit(turn, { type: 'set-timer', name: 'rejoin', afterMs: 0 })
}

export const logEnd = ({ replica }: PeerState): LogPoint | null =>
  replica === null ? null : lastPoint(replica)
