// One peer as a pure function: step(state, event) -> [state, effects].
import { onJoin } from './admission.js'
import { onContribution, onGiveUp, onOffer, onPullFailed } from './arrivals.js'
import { onGatherOver, onGraceOver } from './assigning.js'
import { concludeIfReady, onFarewell, onFarewellTimeout, onVersionBroken } from './conclusion.js'
import type { Effect, PeerEvent, TimerName } from './events.js'
import type { PeerId } from './ids.js'
import {
  announceVersion,
  lead,
  letGo,
  onAppended,
  onHeartbeatTimer,
  onPulse,
  onWantEntries,
  stopIfDue,
} from './leader.js'
import {
  askToJoin,
  fromLeader,
  onEntries,
  onHeartbeat,
  onSnapshotFailed,
  onSnapshotInstalled,
  onWelcome,
  replicaTopics,
  watchLeader,
} from './member.js'
import type { LeaderMessage, MemberMessage, Message } from './messages.js'
import { onOuterApplied, onOuterFailed, onVersionAnnounced, pump, replicaOf } from './replica.js'
import { change, changeWorker, emit, type PeerSetup, type PeerState, report, type Turn } from './state.js'
import { onRemoteValidation, onValidated, onValidationFailed, validateIfDue } from './validator.js'
import {
  beginIfHeld,
  offer,
  offerSoon,
  onPublished,
  onReofferDue,
  onStepped,
  onThetaFailed,
  onThetaReady,
  onTrained,
  onTrainingFailed,
  stopWork,
} from './worker.js'

export function createPeer(setup: PeerSetup): PeerState {
  const { held } = setup
  return {
    setup,
    term: held?.ledger.term ?? 0,
    leader: setup.voters[0],
    ready: false,
    connected: [],
    joined: false,
    heardLeaderAt: 0,
    holding: null,
    replica: held === null ? null : replicaOf(held),
    installing: false,
    worker: { now: { phase: 'idle' }, newest: 0, gaveUp: null, speed: null },
    lead: null,
    announced: [],
    validation: { first: null, last: null, running: null, failed: null },
    finishing: null,
    saidFarewell: false,
    ended: false,
  }
}

/** Pure: the same state and event always give the same state and effects. What a peer says to itself is heard at once. */
export function step(state: PeerState, event: PeerEvent): [PeerState, readonly Effect[]] {
  const turn: Turn = { state, effects: [], at: event.at }
  if (!state.ended) handle(turn, event)
  const self = state.setup.self.id
  const outward: Effect[] = []
  for (let next = turn.effects.shift(); next !== undefined; next = turn.effects.shift()) {
    if (next.type === 'send' && next.to === self) onMessage(turn, self, next.message)
    else outward.push(next)
  }
  return [turn.state, appendedTogether(outward)]
}

/** What one event adds to the ledger is one write, one flush and one message to each topic. */
function appendedTogether(effects: readonly Effect[]): readonly Effect[] {
  const entries = effects.flatMap((effect) => (effect.type === 'append' ? effect.entries : []))
  const first = effects.findIndex(({ type }) => type === 'append')
  return effects.flatMap((effect, i): Effect[] =>
    effect.type !== 'append' ? [effect] : i === first ? [{ type: 'append', entries }] : [],
  )
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
      // A hint, never a verdict: the silence that may follow is what counts.
      return change(turn, { connected: turn.state.connected.filter((peer) => peer !== event.peer) })
    case 'timer':
      return onTimer(turn, event.name)
    case 'appended':
      return onAppended(turn, event.index)
    case 'contribution':
      return onContribution(turn, event.from, event.manifest, event.problem)
    case 'contribution-incomplete':
      return onOffer(turn, event.from, event.manifest)
    case 'pull-failed':
      return onPullFailed(turn, event.manifest)
    case 'outer-applied':
      if (!onOuterApplied(turn, event.version, event.digest, event.stateDigest)) return
      announceVersion(turn, event.version)
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
    case 'stop-requested':
      return onStopRequested(turn)
    default:
      return event satisfies never
  }
}

/** A voter that holds the run leads it (for now there is one voter); everyone asks to be taken in as a worker. */
function onStarted(turn: Turn, { speed, holding }: Extract<PeerEvent, { type: 'started' }>): void {
  const { setup, replica } = turn.state
  changeWorker(turn, { speed })
  change(turn, { ready: true, heardLeaderAt: turn.at, holding: holding?.assignment ?? null })
  if (holding !== null) changeWorker(turn, { now: { phase: 'offering', manifest: holding, offers: 0 } })
  emit(turn, { type: 'subscribe', topic: { kind: 'assignments', cluster: setup.self.cluster } })
  if (replica !== null && setup.voters[0] === setup.self.id) {
    for (const topic of replicaTopics(setup.clusters)) emit(turn, { type: 'subscribe', topic })
    report(turn, {
      type: 'digest',
      version: replica.applied,
      digest: replica.digest,
      stateDigest: replica.stateDigest,
    })
    lead(turn, replica.ledger.index === 0 ? 'it founded the run' : 'it is the only voter and came back')
    announceVersion(turn, replica.applied)
    validateIfDue(turn)
    offerWhatIsHeld(turn)
  }
  askToJoin(turn)
}

function onConnected(turn: Turn, peer: PeerId): void {
  const { connected, leader } = turn.state
  if (!connected.includes(peer)) change(turn, { connected: [...connected, peer] })
  if (peer !== leader) return
  // It may have let this peer go meanwhile; if not, the answer only says where things stand.
  change(turn, { joined: false })
  askToJoin(turn)
  offerSoon(turn)
}

function onTimer(turn: Turn, name: TimerName): void {
  switch (name) {
    case 'heartbeat':
      return onHeartbeatTimer(turn)
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
    default:
      return name satisfies never
  }
}

function onMessage(turn: Turn, from: PeerId, message: Message): void {
  switch (message.type) {
    case 'heartbeat':
    case 'welcome':
    case 'turned-away':
    case 'entries':
    case 'version':
      if (fromLeader(turn, from, message)) onLeaderMessage(turn, from, message)
      return
    default:
      return onMemberMessage(turn, from, message)
  }
}

function onLeaderMessage(turn: Turn, from: PeerId, message: LeaderMessage): void {
  switch (message.type) {
    case 'heartbeat':
      return onHeartbeat(turn, from, message)
    case 'welcome':
      onWelcome(turn, from, message)
      return offerWhatIsHeld(turn)
    case 'turned-away':
      change(turn, { ended: true })
      return emit(turn, { type: 'end', outcome: 'turned-away', reason: message.reason })
    case 'entries':
      return onEntries(turn, message)
    case 'version':
      return onVersionAnnounced(turn, message.version, message.digest, message.stateDigest)
    default:
      return message satisfies never
  }
}

function onMemberMessage(turn: Turn, from: PeerId, message: MemberMessage): void {
  switch (message.type) {
    case 'join':
      return onJoin(turn, from, message)
    case 'pulse':
      return onPulse(turn, from, message)
    case 'want-entries':
      return onWantEntries(turn, from, message.from)
    case 'offer':
      return onOffer(turn, from, message.manifest)
    case 'give-up':
      return onGiveUp(turn, from, message.assignment, message.reason)
    case 'validated':
      if (onRemoteValidation(turn, from, message)) afterValidation(turn)
      return
    case 'leave':
      return letGo(turn, from, message.reason)
    case 'farewell':
      return onFarewell(turn, from, message)
    default:
      return message satisfies never
  }
}

/** A contribution that survived a restart is offered as soon as the leader has the worker back. */
function offerWhatIsHeld(turn: Turn): void {
  const { now } = turn.state.worker
  if (now.phase !== 'offering' || turn.state.holding === null) return
  change(turn, { holding: null })
  offer(turn, now.manifest)
}

function afterValidation(turn: Turn): void {
  stopIfDue(turn)
  validateIfDue(turn)
  concludeIfReady(turn)
}

/** Ctrl-C: whatever is durable stays so; a round under way is given back. */
function onStopRequested(turn: Turn): void {
  const { leader, lead: leading } = turn.state
  stopWork(turn)
  if (leading === null)
    emit(turn, { type: 'send', to: leader, message: { type: 'leave', reason: 'stopped by its user' } })
  change(turn, { ended: true })
  emit(turn, { type: 'end', outcome: 'stopped', reason: 'stopped by its user' })
}
