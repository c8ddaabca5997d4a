// One peer as a pure function: step(state, event) -> [state, effects].
import { getToKnowAll } from './acquaintance.js'
import { compareOwn } from './agreement.js'
import { onContribution, onOffer, onPullFailed } from './arrivals.js'
import { onGatherOver, onGraceOver } from './assigning.js'
import { afterValidation, concludeIfReady, onFarewellTimeout, onVersionBroken } from './conclusion.js'
import { askSoon, onElectionDue } from './election.js'
import type { Effect, HardState, Outgoing, PeerEvent, TimerName } from './events.js'
import { onPayloadFailed, onPayloadHeld } from './following.js'
import { onMessage } from './hearing.js'
import type { PeerId } from './ids.js'
import { advance, announceVersion, onHeartbeatTimer, spread } from './leader.js'
import { leave, onStopRequested } from './leaving.js'
import {
  askToJoin,
  onMoved,
  onSnapshotFailed,
  onSnapshotInstalled,
  replicaTopics,
  watchLeader,
} from './member.js'
import { hold, letGoOfApplied, offerSoon, onPublished, onReofferDue } from './offering.js'
import { goOnAbove, onParentFinished, onParentRound, onReportFailed, onReportMade } from './parent.js'
import { keysOf } from './records.js'
import { onOuterApplied, onOuterFailed, onSnapshotSaved, pump, replicaOf } from './replica.js'
import { noteDurable } from './replication.js'
import {
  change,
  changeWorker,
  emit,
  type PeerSetup,
  type PeerState,
  report,
  type Turn,
  toLeader,
} from './state.js'
import { stopIfDue } from './stop.js'
import { onValidated, onValidationFailed, tellMeasured, validateIfDue } from './validator.js'
import { beginIfHeld, onStepped, onThetaFailed, onThetaReady, onTrained, onTrainingFailed } from './worker.js'

export function createPeer(setup: PeerSetup): PeerState {
  const { held } = setup
  const hard = held?.hard ?? { term: 0, vote: null, epoch: 0 }
  return {
    setup,
    epoch: hard.epoch,
    term: hard.term,
    vote: hard.vote,
    leader: null,
    campaign: null,
    ready: false,
    connected: [],
    joined: false,
    heardLeaderAt: 0,
    gaps: [],
    elapsedMs: held?.ledger.elapsedMs ?? 0,
    replicas: [],
    replicasAt: 0,
    stranger: null,
    restored: [],
    replica: held === null ? null : replicaOf(held),
    installing: false,
    worker: {
      now: { phase: 'idle' },
      pending: [],
      offers: 0,
      ahead: [],
      over: [],
      gaveUp: null,
      codec: null,
      transfers: [],
      speed: null,
    },
    lead: null,
    announced: [],
    validation: { first: null, measured: null, running: null, failed: null },
    refusals: {},
    finishing: null,
    saidFarewell: false,
    leaving: false,
    ended: false,
  }
}

/** Pure: the same state and event always give the same state and effects. What a peer says to itself is heard at once. */
export function step(state: PeerState, event: PeerEvent): [PeerState, readonly Effect[]] {
  const turn: Turn = { state, effects: [], at: event.at }
  const committed = state.replica?.ledger.index ?? 0
  const outward: Effect[] = []
  if (!state.ended) handle(turn, event)
  hearSelf(turn, outward)
  if (turn.state.lead !== null && state.lead === null) {
    askToJoin(turn)
    validateIfDue(turn)
  }
  hearSelf(turn, outward)
  spread(turn, committed)
  outward.push(...turn.effects)
  return [turn.state, persistedTogether(outward)]
}

function hearSelf(turn: Turn, outward: Effect[]): void {
  const self = turn.state.setup.self.id
  for (let next = turn.effects.shift(); next !== undefined; next = turn.effects.shift()) {
    if (next.type === 'send' && next.to === self) onMessage(turn, self, next.message)
    else outward.push(next)
  }
}

/** What one event makes durable is one write and one flush. */
function persistedTogether(effects: readonly Effect[]): readonly Effect[] {
  const all = effects.filter((effect) => effect.type === 'persist')
  if (all.length < 2) return effects
  const hard: HardState | null = all.findLast((effect) => effect.hard !== null)?.hard ?? null
  const entries = all.flatMap((effect) => effect.entries)
  const thenSend: Outgoing[] = all.flatMap((effect) => effect.thenSend)
  return effects.flatMap((effect): Effect[] => {
    if (effect.type !== 'persist') return [effect]
    return effect === all[0] ? [{ type: 'persist', hard, entries, thenSend }] : []
  })
}

function handle(turn: Turn, event: PeerEvent): void {
  switch (event.type) {
    case 'started':
      return onStarted(turn, event)
    case 'message':
      return onMessage(turn, event.from, event.message)
    case 'connected':
      return onConnected(turn, event.peer)
    case 'disconnected':
      return onDisconnected(turn, event.peer)
    case 'timer':
      return onTimer(turn, event.name)
    case 'persisted':
      noteDurable(turn, event.index, event.term)
      return advance(turn)
    case 'payload-held':
      onPayloadHeld(turn, event.payload)
      return goOnAbove(turn)
    case 'payload-failed':
      return onPayloadFailed(turn, event.payload)
    case 'snapshot-saved':
      return onSnapshotSaved(turn, { index: event.index, term: event.term })
    case 'contribution':
      return onContribution(turn, event.from, event.manifest, event.problem)
    case 'contribution-incomplete':
      return onOffer(turn, event.from, event.manifest)
    case 'pull-failed':
      return onPullFailed(turn, event.manifest)
    case 'outer-applied':
      if (!onOuterApplied(turn, event.version, event.digest, event.stateDigest)) return
      announceVersion(turn, event.version)
      compareOwn(turn, event.version)
      letGoOfApplied(turn, event.version)
      beginIfHeld(turn)
      validateIfDue(turn)
      return concludeIfReady(turn)
    case 'outer-failed':
      if (event.lasting) return onVersionBroken(turn, event.version, event.reason)
      return onOuterFailed(turn, event.version, event.reason)
    case 'snapshot-installed':
      return onSnapshotInstalled(turn, event.ledger, event.digest, event.stateDigest)
    case 'snapshot-failed':
      return onSnapshotFailed(turn, event.reason)
    case 'theta-ready':
      return onThetaReady(turn, event.version)
    case 'theta-failed':
      return onThetaFailed(turn, event.version, event.reason)
    case 'stepped':
      return onStepped(turn, event.assignment, event.step, event.loss, event.ms)
    case 'trained':
      return onTrained(turn, event.manifest)
    case 'contribution-published':
      return onPublished(turn, event.assignment)
    case 'training-failed':
      return onTrainingFailed(turn, event.assignment, event.reason)
    case 'validated':
      onValidated(turn, event.version, event.loss)
      return afterValidation(turn)
    case 'validation-failed':
      onValidationFailed(turn, event.version, event.reason)
      return afterValidation(turn)
    case 'parent-round':
      return onParentRound(turn, event)
    case 'parent-finished':
      return onParentFinished(turn, event.reason, event.ok)
    case 'report-made':
      return onReportMade(turn, event.manifest)
    case 'report-failed':
      return onReportFailed(turn, event.round, event.reason)
    case 'moved':
      return onMoved(turn, event.addresses)
    case 'stop-requested':
      return onStopRequested(turn)
    case 'shut-out-requested':
      return toLeader(turn, { type: 'shut-out', who: event.who, reason: event.reason })
    default:
      return event satisfies never
  }
}

/** A replica takes up what its disk kept and waits for a leader, or elects one; everyone asks to be taken in. */
function onStarted(turn: Turn, { speed, holding }: Extract<PeerEvent, { type: 'started' }>): void {
  const { setup, replica } = turn.state
  changeWorker(turn, { speed })
  change(turn, { ready: true, heardLeaderAt: turn.at, restored: holding })
  hold(turn, holding, null)
  emit(turn, { type: 'subscribe', topic: { kind: 'assignments', cluster: setup.self.cluster } })
  if (replica !== null) {
    for (const topic of replicaTopics(setup.clusters)) emit(turn, { type: 'subscribe', topic })
    const { applied: version, digest, stateDigest } = replica
    report(turn, { type: 'digest', version, digest, stateDigest })
    getToKnowAll(turn, replica)
    for (const who of keysOf(replica.ledger.revoked)) emit(turn, { type: 'shut-out', who })
    if (replica.configuration.voters.length === 1) onElectionDue(turn)
    else askSoon(turn)
  }
  askToJoin(turn)
}

function onConnected(turn: Turn, peer: PeerId): void {
  const { connected, leader, joined } = turn.state
  if (!connected.includes(peer)) change(turn, { connected: [...connected, peer] })
  // A leader may have let this peer go meanwhile; if not, the answer only says where things stand.
  if (peer === leader) change(turn, { joined: false })
  if (peer !== leader && (leader !== null || joined)) return
  askToJoin(turn, [peer])
  offerSoon(turn)
}

/** A hint, never a verdict: a voter asks the others, who say whether they still hear the leader. */
function onDisconnected(turn: Turn, peer: PeerId): void {
  change(turn, { connected: turn.state.connected.filter((other) => other !== peer) })
  if (peer !== turn.state.leader) return
  if (turn.state.leaving) return leave(turn)
  askSoon(turn)
}

function onTimer(turn: Turn, name: TimerName): void {
  switch (name) {
    case 'heartbeat':
      tellMeasured(turn)
      return onHeartbeatTimer(turn)
    case 'election':
      return onElectionDue(turn)
    case 'grace':
      return onGraceOver(turn)
    case 'gather':
      return onGatherOver(turn)
    case 'rejoin':
      return watchLeader(turn)
    case 'reoffer':
      return onReofferDue(turn)
    case 'retry-apply':
      return pump(turn)
    case 'time-limit':
      return stopIfDue(turn)
    case 'farewell':
      return onFarewellTimeout(turn)
    case 'leaving':
      return leave(turn)
    default:
      return name satisfies never
  }
}
