// How a leader lets go of a member: what it was assigned goes to others.
import { assignIfDue, withdraw } from './assigning.js'
import { concludeIfReady } from './conclusion.js'
import type { PeerId } from './ids.js'
import { openAssignmentsOf } from './ledger.js'
import { holdsLease, propose } from './proposals.js'
import type { Turn } from './state.js'

/** @param left by its own word; else it fell silent */
export function letGo(turn: Turn, peer: PeerId, left: boolean, reason: string): void {
  const { lead } = turn.state
  if (lead === null || lead.head.members[peer]?.present !== true || !holdsLease(turn)) return
  for (const { id } of openAssignmentsOf(lead.head, peer))
    propose(turn, { kind: 'expire', assignment: id, worker: peer, reason })
  propose(turn, { kind: 'evict', peer, left, reason })
  withdraw(turn, peer)
  assignIfDue(turn)
  concludeIfReady(turn)
}
