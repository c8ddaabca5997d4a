// A member of the swarm follows its leader: joins, answers heartbeats, takes entries in order, catches up.
import { beginFinish, concludeIfReady } from './conclusion.js'
import { heartbeatMs, silenceMs } from './deadlines.js'
import type { Entry } from './entries.js'
import type { Hash, PeerId } from './ids.js'
import type { LedgerState } from './ledger.js'
import type { Entries, Heartbeat, LeaderMessage, Topic, Welcome } from './messages.js'
import { commitToReplica, fetchSnapshot, installSnapshot } from './replica.js'
import { change, changeReplica, emit, report, type Turn } from './state.js'
import { validateIfDue } from './validator.js'
import { currentAssignment, getBase, offerSoon, pulse, workerOnEntry } from './worker.js'

/** Asks the leader to be taken in, and asks again until it does. */
export function askToJoin(turn: Turn): void {
  const { joined, ready, leader, setup, connected, worker, finishing, replica } = turn.state
  if (!ready || joined || finishing !== null) return
  if (connected.includes(leader) || leader === setup.self.id) {
    const { name, cluster } = setup.self
    const index = replica?.ledger.index ?? null
    const holding = currentAssignment(turn.state)
    emit(turn, {
      type: 'send',
      to: leader,
      message: { type: 'join', name, cluster, speed: worker.speed, holding, index },
    })
  }
  emit(turn, { type: 'set-timer', name: 'rejoin', afterMs: heartbeatMs })
}

/** Runs with the rejoin timer: a leader not heard for ten heartbeats has forgotten this peer, or is gone. */
export function watchLeader(turn: Turn): void {
  const { joined, leader, setup, heardLeaderAt } = turn.state
  if (leader === setup.self.id) return
  if (joined && turn.at - heardLeaderAt > silenceMs) {
    report(turn, {
      type: 'warning',
      message: 'The leader has been silent for ten heartbeats; asking to be taken in again.',
    })
    change(turn, { joined: false })
  }
  if (turn.state.joined) emit(turn, { type: 'set-timer', name: 'rejoin', afterMs: silenceMs })
  else askToJoin(turn)
}

/** What a leader says. Anyone else who says it is refused: identity comes from the connection. */
export function fromLeader(turn: Turn, from: PeerId, message: LeaderMessage): boolean {
  if (from !== turn.state.leader) {
    report(turn, { type: 'refused', what: message.type, from, reason: 'it is not the leader' })
    return false
  }
  if (message.term < turn.state.term) {
    report(turn, {
      type: 'refused',
      what: message.type,
      from,
      reason: `term ${message.term} is over; term ${turn.state.term} has begun`,
    })
    return false
  }
  if (message.term > turn.state.term) offerSoon(turn)
  change(turn, { term: message.term, heardLeaderAt: turn.at })
  return true
}

export function onWelcome(turn: Turn, from: PeerId, welcome: Welcome): void {
  const { setup, joined, installing } = turn.state
  change(turn, { joined: true })
  emit(turn, { type: 'set-timer', name: 'rejoin', afterMs: silenceMs })
  if (!welcome.replica) return getBase(turn)
  if (!joined) for (const topic of replicaTopics(setup.clusters)) emit(turn, { type: 'subscribe', topic })
  if (installing) return
  if (welcome.snapshot !== null)
    return fetchSnapshot(turn, welcome.snapshot.version, welcome.snapshot.stateDigest, from)
  askForEntries(turn)
  getBase(turn)
}

/** Replicas subscribe to what changes the outer state; workers only publish. */
export function replicaTopics(clusters: readonly string[]): readonly Topic[] {
  return [{ kind: 'ledger' }, ...clusters.map((cluster) => ({ kind: 'gradients', cluster }) as const)]
}

export function onHeartbeat(turn: Turn, from: PeerId, heartbeat: Heartbeat): void {
  if (!turn.state.joined) return
  emit(turn, { type: 'send', to: from, message: pulse(turn.state) })
  const replica = turn.state.replica
  if (replica !== null && heartbeat.index > replica.ledger.index) askForEntries(turn)
}

export function onSnapshotInstalled(turn: Turn, ledger: LedgerState, digest: Hash, stateDigest: Hash): void {
  if (!turn.state.installing) return
  installSnapshot(turn, ledger, digest, stateDigest)
  askForEntries(turn)
  getBase(turn)
  validateIfDue(turn)
  concludeIfReady(turn)
}

export function onSnapshotFailed(turn: Turn, reason: string): void {
  report(turn, {
    type: 'warning',
    message: `The leader's snapshot could not be had: ${reason}. Asking again.`,
  })
  change(turn, { installing: false, joined: false })
  emit(turn, { type: 'set-timer', name: 'rejoin', afterMs: heartbeatMs })
  concludeIfReady(turn)
}

/**
 * Entries from the leader, by whatever way: the worker acts at once, the replica takes them in order. A finish
 * of an earlier term is history: the run was resumed since.
 */
export function onEntries(turn: Turn, { term, entries }: Entries): void {
  for (const entry of entries) {
    workerOnEntry(turn, entry)
    follow(turn, entry)
    if (entry.kind === 'finish' && entry.term === term) beginFinish(turn, entry)
  }
  validateIfDue(turn)
  concludeIfReady(turn)
}

function follow(turn: Turn, entry: Entry): void {
  const { replica } = turn.state
  if (replica === null || entry.index <= replica.ledger.index) return
  if (entry.index > replica.ledger.index + 1) return askForEntries(turn)
  commitToReplica(turn, entry)
  changeReplica(turn, { askedAt: null })
}

/** At most once per heartbeat: what is asked for is usually on its way already. */
function askForEntries(turn: Turn): void {
  const { replica, leader } = turn.state
  if (replica === null || (replica.askedAt !== null && turn.at - replica.askedAt < heartbeatMs)) return
  changeReplica(turn, { askedAt: turn.at })
  emit(turn, { type: 'send', to: leader, message: { type: 'want-entries', from: replica.ledger.index + 1 } })
}
