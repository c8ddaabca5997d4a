// What a worker says of itself: which rounds it has, and what it is at.
import type { AssignmentId } from './ids.js'
import type { Pulse } from './messages.js'
import { unsettled } from './offering.js'
import type { PeerState } from './state.js'

/** Every assignment that this worker knows to be its own and open. */
export function assignmentsOf(state: PeerState): readonly AssignmentId[] {
  const { now, ahead } = state.worker
  return [
    ...unsettled(state).map(({ manifest }) => manifest.assignment),
    ...(now.phase === 'idle' ? [] : [now.assignment.id]),
    ...ahead.map(({ id }) => id),
  ]
}

export function phaseOf(state: PeerState): Pulse['phase'] {
  const { phase } = state.worker.now
  return phase === 'idle' && unsettled(state).length > 0 ? 'offering' : phase
}

/** What a worker answers to a heartbeat, which was sent at `beat` of the leader's clock. */
export function pulse(state: PeerState, beat: number): Pulse {
  const { replica, worker, epoch, term } = state
  const index = replica?.waiting?.entries.at(-1)?.index ?? replica?.matched ?? 0
  const sound = replica !== null && replica.healing === null
  return {
    type: 'pulse',
    epoch,
    term,
    beat,
    index,
    held: sound ? { version: replica.applied, stateDigest: replica.stateDigest } : null,
    phase: phaseOf(state),
    assignments: assignmentsOf(state),
    step: worker.now.phase === 'training' ? worker.now.step : 0,
  }
}
