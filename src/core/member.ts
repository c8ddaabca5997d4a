// A member of the swarm follows its leader: finds it, joins, answers heartbeats, catches up.
import { call } from './acquaintance.js'
import { beginFinish, concludeIfReady } from './conclusion.js'
import { isVoter } from './configuration.js'
import { heartbeatMs, silenceMs } from './deadlines.js'
import { donorsOf } from './donors.js'
import type { Entry } from './entries.js'
import { commitUpTo, onAppend } from './following.js'
import type { Hash, PeerId, Version } from './ids.js'
import { sayLeaving } from './leaving.js'
import type { LedgerState } from './ledger.js'
import { lastPoint } from './log.js'
import type {
  Address,
  Append,
  Entries,
  Heartbeat,
  Join,
  LeaderMessage,
  Redirect,
  Topic,
  Welcome,
} from './messages.js'
import { offerSoon } from './offering.js'
import { nameOf } from './proposals.js'
import { assignmentsOf, pulse } from './pulse.js'
import { keysOf } from './records.js'
import { abandonReplica, fetchSnapshot, installSnapshot, logEnd, pump } from './replica.js'
import { change, emit, type PeerState, refuse, report, send, type Turn, toLeader } from './state.js'
import { awaitLeader, beginTerm, mayLead, persistTerm } from './terms.js'
import { tellMeasured, validateIfDue } from './validator.js'
import { getBase, rejoinIfLetGo, workerOnEntry } from './worker.js'

/** Times between signs of the leader that are remembered. */
const gapsKept = 16
/** Replicas remembered from what others said. */
const mostReplicas = 64

/**
 * Asks the leader to be taken in, or who leads; and asks again until it is.
 *
 * @param others whom it asks while it knows no leader
 */
export function askToJoin(turn: Turn, others = turn.state.connected): void {
  const { joined, ready, leader, setup, connected, finishing, leaving, lead } = turn.state
  if (!ready || joined || finishing !== null || leaving) return
  const join = joinOf(turn.state)
  const known = leader !== null && (connected.includes(leader) || leader === setup.self.id)
  if (known) send(turn, leader, join)
  else for (const peer of others) send(turn, peer, join)
  if (lead === null) emit(turn, { type: 'set-timer', name: 'rejoin', afterMs: heartbeatMs })
}

/** The others learn where it is now as they learned where it was: by its admission. */
export function onMoved(turn: Turn, addresses: readonly string[]): void {
  const { setup } = turn.state
  change(turn, { setup: { ...setup, self: { ...setup.self, addresses } }, joined: false })
  askToJoin(turn)
}

function joinOf(state: PeerState): Join {
  const { setup, worker, replica } = state
  const { name, cluster, role, addresses } = setup.self
  const holding = assignmentsOf(state)
  // Vectors that are not to be used count for nothing: a snapshot takes their place.
  const log = replica?.healing == null ? logEnd(state) : null
  const { speed } = worker
  return { type: 'join', name, cluster, role, speed, holding, log, addresses, through: null }
}

/** Runs with the rejoin timer: a leader not heard for twenty heartbeats has forgotten this peer, or is gone. */
export function watchLeader(turn: Turn): void {
  const { joined, lead, heardLeaderAt } = turn.state
  if (lead !== null) return
  if (joined && turn.at - heardLeaderAt > silenceMs) {
    report(turn, {
      type: 'warning',
      message: `No leader has been heard for ${silenceMs / 1000} s; asking who leads.`,
    })
    change(turn, { joined: false, leader: null })
  }
  if (turn.state.joined) return emit(turn, { type: 'set-timer', name: 'rejoin', afterMs: silenceMs })
  const { stranger } = turn.state
  if (stranger !== null && isOutOfDate(turn)) beginAnew(turn, stranger)
  askToJoin(turn)
}

/**
 * Nobody of those who may lead, as far as this peer knows, has led for a while, and somebody else says that it does: all
 * may have been replaced while this peer was away. A voter believes no stranger: the run may need it, and what it holds.
 */
function isOutOfDate({ state, at }: Turn): boolean {
  const { heardLeaderAt, replica, setup } = state
  if (at - heardLeaderAt <= silenceMs) return false
  return replica === null || !isVoter(replica.configuration, setup.self.id)
}

/** Like a peer that never was in the run. What its disk has stays there. */
function beginAnew(turn: Turn, stranger: PeerId): void {
  const message = `None of those who led this run is heard any more, and ${nameOf(turn, stranger)} says that it does: joining anew.`
  report(turn, { type: 'warning', message })
  change(turn, {
    replica: null,
    installing: false,
    replicas: [],
    replicasAt: 0,
    stranger: null,
    leader: null,
  })
}

/** Another peer says who leads. It is only asked, not believed: the leader has to answer itself. */
export function onRedirect(turn: Turn, from: PeerId, { epoch, term, leader, replicas }: Redirect): void {
  const { state } = turn
  if (state.joined || state.lead !== null || epoch < state.epoch) return
  for (const { peer, addresses } of replicas) call(turn, peer, addresses)
  const knowsSomebody = state.replica !== null || state.replicas.length > 0
  if (knowsSomebody && mayLead(turn, from)) learnReplicas(turn, replicas)
  const isNews = leader !== null && leader !== state.leader && term >= state.term
  if (!isNews || leader === state.setup.self.id || leader === from) return
  if (!state.connected.includes(leader)) return
  send(turn, leader, joinOf(state))
}

/** One of those who may lead says who else may: this peer was away while others became voters. */
function learnReplicas(turn: Turn, replicas: readonly Address[]): void {
  const { state } = turn
  const { replica } = state
  // What was told before the own ledger names them is out of date: one of them may be a mere worker by now.
  const told = replica === null || state.replicasAt > replica.ledger.replicasAt ? state.replicas : []
  const before = told.filter(({ peer }) => !replicas.some((other) => other.peer === peer))
  // Until the own ledger says something newer.
  const replicasAt = replica === null ? state.replicasAt : replica.ledger.index + 1
  change(turn, { replicas: [...replicas, ...before].slice(0, mostReplicas), replicasAt })
}

/**
 * What a leader says. Anyone who may not lead is refused, and so is a leader of the past: identity comes from the
 * connection, the term from what was heard before.
 */
export function fromLeader(turn: Turn, from: PeerId, message: LeaderMessage): boolean {
  const { state } = turn
  const no = whyNot(turn, from, message)
  if (no !== null) {
    if (message.type === 'welcome' && !state.joined) change(turn, { stranger: from })
    refuse(turn, message.type, nameOf(turn, from), no)
    tellTerm(turn, from, message)
    return false
  }
  if (message.epoch > state.epoch) {
    enterEpoch(turn, from, message)
    // It asks anew: what it was told concerned a replica that it is no more.
    if (state.replica !== null) return false
  }
  if (state.stranger !== null) change(turn, { stranger: null })
  const isNew = message.term > turn.state.term || turn.state.leader === null
  if (message.term > turn.state.term) {
    beginTerm(turn, message.term)
    persistTerm(turn)
  }
  if (turn.state.leader !== from) change(turn, { leader: from, campaign: null, gaps: [] })
  const gap = turn.at - turn.state.heardLeaderAt
  const gaps =
    message.type === 'heartbeat' && !isNew ? [...turn.state.gaps, gap].slice(-gapsKept) : turn.state.gaps
  // Gossip also reaches one that the leader has let go.
  const isGossip = message.type === 'entries' || message.type === 'version'
  if (isNew || !isGossip) change(turn, { heardLeaderAt: turn.at, gaps })
  // What was on its way when the connection closed says nothing of what came after.
  if (state.connected.includes(from)) awaitLeader(turn)
  if (!isNew) return true
  offerSoon(turn)
  tellMeasured(turn)
  sayLeaving(turn)
  return true
}

/**
 * A leader of an earlier term hears that there is a later one: else a voter that asked to lead in vain, and has moved
 * on to the term it asked for, would stay behind for as long as the others are content.
 */
function tellTerm(turn: Turn, to: PeerId, message: LeaderMessage): void {
  const { epoch, term, replica, setup } = turn.state
  if (message.epoch !== epoch || message.term >= term || replica === null) return
  if (!isVoter(replica.configuration, setup.self.id) || !isVoter(replica.configuration, to)) return
  send(turn, to, { type: 'appended', epoch, term, ok: false, index: replica.matched })
}

function whyNot(turn: Turn, from: PeerId, { epoch, term }: LeaderMessage): string | null {
  const { state } = turn
  if (epoch < state.epoch) return `this run was recovered by force since; epoch ${epoch} is over`
  if (epoch === state.epoch && term < state.term) return `term ${term} is over; term ${state.term} has begun`
  if (epoch === state.epoch && term === state.term && state.leader !== null && state.leader !== from)
    return 'it is not the leader'
  return mayLead(turn, from) ? null : 'it is no voter'
}

/** The run was recovered by force without this peer's vote: what it holds may contradict it. */
function enterEpoch(turn: Turn, from: PeerId, { epoch, term }: LeaderMessage): void {
  const { replica } = turn.state
  change(turn, { epoch, term, vote: null, leader: from, campaign: null, lead: null })
  if (replica !== null)
    abandonReplica(turn, `${nameOf(turn, from)} recovered this run by force, and this voter is none any more`)
}

export function onWelcome(turn: Turn, welcome: Welcome): void {
  const { setup, joined, installing } = turn.state
  const { replicas, replicasAt, revoked, snapshot } = welcome
  change(turn, { joined: true, replicas, replicasAt })
  for (const { peer, addresses } of replicas) call(turn, peer, addresses)
  for (const who of revoked) emit(turn, { type: 'shut-out', who })
  emit(turn, { type: 'set-timer', name: 'rejoin', afterMs: silenceMs })
  if (!welcome.replica) return goOnAsWorker(turn)
  // A worker may become one long after it joined.
  if (!joined || (turn.state.replica === null && !installing))
    for (const topic of replicaTopics(setup.clusters)) emit(turn, { type: 'subscribe', topic })
  if (installing) return
  if (snapshot !== null && !holds(turn, snapshot.version))
    return fetchSnapshot(turn, snapshot.version, snapshot.stateDigest)
  // It was on its way while another was installed: what is held goes on from there.
  if (snapshot !== null) tellLogEnd(turn)
  getBase(turn)
}

/**
 * One that came back to find its place as a replica taken follows the ledger no more. What its disk has stays there:
 * a voter that abstains does no harm, one that forgets might.
 */
function goOnAsWorker(turn: Turn): void {
  if (turn.state.replica !== null) {
    const message = 'Others hold the outer state in the place of this peer by now; it goes on as a worker.'
    report(turn, { type: 'warning', message })
    change(turn, { replica: null, installing: false })
  }
  getBase(turn)
}

/** Whether the own outer state is sound, and as new as this version. */
const holds = ({ state: { replica } }: Turn, version: Version): boolean =>
  replica !== null && replica.healing === null && replica.applied >= version

/** The leader sends what follows. */
function tellLogEnd(turn: Turn): void {
  const { replica, epoch, term } = turn.state
  if (replica === null) return
  toLeader(turn, { type: 'appended', epoch, term, ok: false, index: lastPoint(replica).index })
}

/** Replicas subscribe to what changes the outer state; workers only publish. */
export function replicaTopics(clusters: readonly string[]): readonly Topic[] {
  return [{ kind: 'ledger' }, ...clusters.map((cluster) => ({ kind: 'gradients', cluster }) as const)]
}

export function onHeartbeat(turn: Turn, from: PeerId, heartbeat: Heartbeat): void {
  change(turn, { elapsedMs: heartbeat.elapsedMs })
  const { joined, replica, replicasAt } = turn.state
  if (replica !== null) follow(turn, commitUpTo(turn, heartbeat.index))
  // A worker that does not know all replicas asks again: one of them may lead tomorrow.
  if (joined && replica === null && replicasAt < heartbeat.replicasAt) {
    change(turn, { joined: false })
    askToJoin(turn)
  }
  if (joined || replica !== null) send(turn, from, pulse(turn.state, heartbeat.beat))
}

/** Entries for this replica's log; what became committed by them is acted upon. */
export function onEntriesAppended(turn: Turn, from: PeerId, append: Append): void {
  follow(turn, onAppend(turn, from, append))
}

export function onSnapshotInstalled(turn: Turn, ledger: LedgerState, digest: Hash, stateDigest: Hash): void {
  if (!turn.state.installing) return
  installSnapshot(turn, ledger, digest, stateDigest)
  for (const who of keysOf(ledger.revoked)) emit(turn, { type: 'shut-out', who })
  tellLogEnd(turn)
  persistTerm(turn)
  awaitLeader(turn)
  rejoinIfLetGo(turn, ledger)
  holdReport(turn, ledger)
  getBase(turn)
  validateIfDue(turn)
  concludeIfReady(turn)
}

/** The bytes of a cluster's report are of no version: without them nobody can say what of its movement was reported. */
function holdReport(turn: Turn, { parent }: LedgerState): void {
  const payload = parent?.report?.payload
  if (payload === undefined || turn.state.replica?.payloads[payload]) return
  emit(turn, { type: 'hold-payload', payload, donors: donorsOf(turn, null) })
}

export function onSnapshotFailed(turn: Turn, reason: string): void {
  report(turn, {
    type: 'warning',
    message: `The leader's snapshot could not be had: ${reason}. Asking again.`,
  })
  change(turn, { installing: false, joined: false })
  pump(turn)
  emit(turn, { type: 'set-timer', name: 'rejoin', afterMs: heartbeatMs })
  concludeIfReady(turn)
}

/** Committed entries that concern this peer's worker, by gossip or directly; a replica also has them in its log. */
export function onEntries(turn: Turn, { term, entries }: Entries): void {
  for (const entry of entries) act(turn, entry, term)
  concludeIfReady(turn)
}

function follow(turn: Turn, committed: readonly Entry[]): void {
  if (committed.length === 0) return
  for (const entry of committed) act(turn, entry, turn.state.term)
  validateIfDue(turn)
  concludeIfReady(turn)
}

/** A finish of an earlier term is history: the run was resumed since. */
function act(turn: Turn, entry: Entry, term: number): void {
  workerOnEntry(turn, entry)
  if (entry.kind === 'finish' && entry.term === term) beginFinish(turn, entry)
}
