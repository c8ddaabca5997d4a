// Terms: how a peer moves to a newer one, stops leading, and waits for a sign of the leader.
import { isVoter } from './configuration.js'
import { electionMs } from './deadlines.js'
import type { HardState } from './events.js'
import type { PeerId, Term } from './ids.js'
import { change, changeReplica, emit, type PeerState, report, type Turn } from './state.js'

export const hardOf = ({ term, vote, epoch }: PeerState): HardState => ({ term, vote, epoch })

/** Whether this peer votes and could lead: a replica whose state is sound, and that is not about to go. */
export function isElectable({ replica, setup, installing, leaving, epoch }: PeerState): boolean {
  if (replica === null || installing || leaving) return false
  const { configuration } = replica
  return replica.healing === null && configuration.epoch === epoch && isVoter(configuration, setup.self.id)
}

/** A voter as far as this peer knows, or a replica that may have become one since; who knows nobody asks anyone. */
export function mayLead({ state }: Turn, from: PeerId): boolean {
  const { replica, replicas, replicasAt } = state
  const isNamed = replicas.some(({ peer }) => peer === from)
  if (replica === null) return replicas.length === 0 || isNamed
  if (isNamed && replicasAt > replica.ledger.replicasAt) return true
  const member = replica.ledger.members[from]
  // Who was let go may come back as a worker, and a worker may lie.
  return isVoter(replica.configuration, from) || (member?.replica === true && member.present)
}

export function leaderIsAlive({ state, at }: Turn): boolean {
  const { leader, connected, heardLeaderAt, gaps } = state
  if (leader === null || leader === state.setup.self.id || !connected.includes(leader)) return false
  return at - heardLeaderAt < electionMs(gaps)
}

/** The wait for the leader's next sign of life begins again. */
export function awaitLeader(turn: Turn): void {
  if (!isElectable(turn.state) || turn.state.lead !== null) return
  const afterMs = electionMs(turn.state.gaps)
  emit(turn, { type: 'set-timer', name: 'election', afterMs, spreadMs: afterMs })
}

/** A newer term: whatever this peer was in the old one, it is no more. The caller makes it durable. */
export function beginTerm(turn: Turn, term: Term): void {
  stepDown(turn, `term ${term} has begun`)
  change(turn, { term, vote: null, leader: null, campaign: null })
  doubtUncommitted(turn)
}

/** In a new term only what is committed is sure to be the leader's; what waits for a payload may not be. */
export function doubtUncommitted(turn: Turn): void {
  const { replica } = turn.state
  if (replica !== null) changeReplica(turn, { matched: replica.ledger.index, waiting: null })
}

export function persistTerm(turn: Turn): void {
  if (turn.state.replica === null) return
  emit(turn, { type: 'persist', hard: hardOf(turn.state), entries: [], thenSend: [] })
}

/** Leads no more. What it proposed and nobody else holds may be lost; what is committed is not. */
export function stepDown(turn: Turn, reason: string): void {
  const { lead } = turn.state
  if (lead === null) return
  for (const name of ['heartbeat', 'grace', 'gather', 'time-limit'] as const)
    emit(turn, { type: 'cancel-timer', name })
  report(turn, { type: 'deposed', term: lead.term, reason })
  change(turn, { lead: null, leader: null, joined: false, heardLeaderAt: turn.at })
  emit(turn, { type: 'set-timer', name: 'rejoin', afterMs: 0 })
  awaitLeader(turn)
}
