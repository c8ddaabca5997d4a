// What a peer hears: each message goes to the part that it is for, a leader's once it is known to come from one.
import { onJoin } from './admission.js'
import { onDigestOf, onHeal, onVersionAnnounced, onWantDigest } from './agreement.js'
import { onGiveUp, onOffer } from './arrivals.js'
import { afterValidation, onFarewell } from './conclusion.js'
import { onAskVote, onNewerTerm, onTakeOver, onVote } from './election.js'
import type { PeerId } from './ids.js'
import { advance, onLeave, onPulse } from './leader.js'
import { leaveIfFree } from './leaving.js'
import { fromLeader, onEntries, onEntriesAppended, onHeartbeat, onRedirect, onWelcome } from './member.js'
import type { LeaderMessage, MemberMessage, Message } from './messages.js'
import { isUnsettled, publish } from './offering.js'
import { onAppended } from './replication.js'
import { onShutOut } from './shutting-out.js'
import { change, emit, type Turn } from './state.js'
import { onRemoteValidation } from './validator.js'
import { onSettled } from './worker.js'

export function onMessage(turn: Turn, from: PeerId, message: Message): void {
  switch (message.type) {
    case 'heartbeat':
    case 'welcome':
    case 'turned-away':
    case 'append':
    case 'take-over':
    case 'entries':
    case 'settled':
    case 'version':
    case 'want-digest':
    case 'heal':
      if (fromLeader(turn, from, message)) onLeaderMessage(turn, from, message)
      return
    case 'ask-vote':
      return onAskVote(turn, from, message)
    case 'vote':
      return onVote(turn, from, message)
    case 'redirect':
      return onRedirect(turn, from, message)
    default:
      return onMemberMessage(turn, from, message)
  }
}

function onLeaderMessage(turn: Turn, from: PeerId, message: LeaderMessage): void {
  switch (message.type) {
    case 'heartbeat':
      onHeartbeat(turn, from, message)
      break
    case 'welcome':
      onWelcome(turn, message)
      return publishRestored(turn)
    case 'turned-away':
      change(turn, { ended: true })
      return emit(turn, { type: 'end', outcome: 'turned-away', reason: message.reason })
    case 'append':
      onEntriesAppended(turn, from, message)
      break
    case 'take-over':
      return onTakeOver(turn, from)
    case 'entries':
      return onEntries(turn, message)
    case 'settled':
      return onSettled(turn, message)
    case 'version':
      return onVersionAnnounced(turn, message)
    case 'want-digest':
      return onWantDigest(turn, from, message.version)
    case 'heal':
      return onHeal(turn, message.version, message.stateDigest)
    default:
      return message satisfies never
  }
  leaveIfFree(turn)
}

function onMemberMessage(turn: Turn, from: PeerId, message: MemberMessage): void {
  switch (message.type) {
    case 'join':
      return onJoin(turn, from, message)
    case 'pulse':
      return onPulse(turn, from, message)
    case 'appended':
      if (message.epoch !== turn.state.epoch) return
      if (message.term > turn.state.term) return onNewerTerm(turn, from, message.term)
      if (message.term === turn.state.term && onAppended(turn, from, message)) advance(turn)
      return
    case 'digest-of':
      return onDigestOf(turn, from, message)
    case 'offer':
      return onOffer(turn, from, message.manifest)
    case 'give-up':
      return onGiveUp(turn, from, message.assignment, message.reason)
    case 'validated':
      onRemoteValidation(turn, from, message)
      return afterValidation(turn)
    case 'leave':
      return onLeave(turn, from, message.reason)
    case 'shut-out':
      return onShutOut(turn, from, message)
    case 'farewell':
      return onFarewell(turn, from, message)
    default:
      return message satisfies never
  }
}

/** Contributions that survived a restart go out as soon as a leader has the worker back. */
function publishRestored(turn: Turn): void {
  const { restored } = turn.state
  change(turn, { restored: [] })
  for (const manifest of restored) if (isUnsettled(turn.state, manifest.assignment)) publish(turn, manifest)
}
