// A peer that its user stops: it hands over what it can, and goes.
import { leavingMs } from './deadlines.js'
import type { PeerId } from './ids.js'
import { lastPoint } from './log.js'
import { nameOf } from './proposals.js'
import { progressOf } from './replication.js'
import { change, emit, send, type Turn, toLeader } from './state.js'
import { isElectable, stepDown } from './terms.js'
import { stopWork } from './worker.js'

const stopped = 'stopped by its user'

/** Ctrl-C: whatever is durable stays so; a round under way is given back, leadership is handed over. */
export function onStopRequested(turn: Turn): void {
  if (turn.state.leaving) return leave(turn)
  stopWork(turn)
  const successor = successorOf(turn)
  const mustWait = turn.state.lead === null ? isElectable(turn.state) && hasLeader(turn) : successor !== null
  change(turn, { leaving: true })
  if (turn.state.lead === null) toLeader(turn, { type: 'leave', reason: stopped })
  else if (successor !== null) handOver(turn, successor)
  if (!mustWait) return leave(turn)
  emit(turn, { type: 'set-timer', name: 'leaving', afterMs: leavingMs })
}

const hasLeader = ({ state: { leader, connected } }: Turn): boolean =>
  leader !== null && connected.includes(leader)

/** The voter, present and sound, whose log is the most complete. */
function successorOf(turn: Turn): PeerId | null {
  const { lead, replica, setup, connected } = turn.state
  if (lead === null || replica === null) return null
  const { voters, next } = replica.configuration
  const able = voters.filter(
    (voter) =>
      voter !== setup.self.id &&
      (next === null || next.includes(voter)) &&
      connected.includes(voter) &&
      lead.head.members[voter]?.present === true,
  )
  const complete = (voter: PeerId) => progressOf(turn, voter).match
  return able.sort((a, b) => complete(b) - complete(a))[0] ?? null
}

/** It may ask to lead at once: nobody holds this leader's being heard against it. */
function handOver(turn: Turn, successor: PeerId): void {
  const { epoch, term, replica } = turn.state
  if (replica === null) return
  const { match } = progressOf(turn, successor)
  send(turn, successor, { type: 'take-over', epoch, term })
  const behind = lastPoint(replica).index - match
  const note = behind > 0 ? `, which lacks ${behind} entries yet` : ''
  stepDown(turn, `it is ${stopped}; it hands over to ${nameOf(turn, successor)}${note}`)
}

/** The leader has let this peer go, or there is none to do so: nothing is left to wait for. */
export function leaveIfFree(turn: Turn): void {
  const { leaving, replica, setup } = turn.state
  if (!leaving) return
  const isMember = replica?.ledger.members[setup.self.id]?.present === true
  if (!isMember) leave(turn)
}

/** A new leader hears that this peer leaves. */
export function sayLeaving(turn: Turn): void {
  if (turn.state.leaving) toLeader(turn, { type: 'leave', reason: stopped })
}

export function leave(turn: Turn): void {
  if (turn.state.ended) return
  change(turn, { ended: true })
  emit(turn, { type: 'end', outcome: 'stopped', reason: stopped })
}
