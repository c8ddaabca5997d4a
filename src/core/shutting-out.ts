// How a leader shuts out a peer for good, or whoever came in by an invitation, because a voter's user asked for it.
import { withdraw } from './assigning.js'
import { isVoter } from './configuration.js'
import { configureIfDue } from './configuring.js'
import { letGo } from './evicting.js'
import type { PeerId } from './ids.js'
import type { LedgerState } from './ledger.js'
import type { ShutOut } from './messages.js'
import { holdsLease, nameOf, propose } from './proposals.js'
import { refuse, type Turn } from './state.js'

/** Voters are trusted not to lie; a worker could rob the run of everyone else. */
export function onShutOut(turn: Turn, from: PeerId, { who, reason }: ShutOut): void {
  const { lead, replica } = turn.state
  if (lead === null || replica === null || !holdsLease(turn)) return
  const problem = isVoter(replica.configuration, from) ? whyNot(turn, who) : 'it is no voter'
  if (problem !== null) return refuse(turn, 'shut-out', nameOf(turn, from), problem)
  for (const peer of [who, ...cameBy(lead.head, who)]) shutOut(turn, peer, reason)
  configureIfDue(turn)
}

function whyNot(turn: Turn, who: PeerId): string | null {
  const { founder, self } = turn.state.setup
  if (who === founder) return 'the certificates of all members begin with its founder'
  if (who === self.id) return 'it leads the run; let it hand over first'
  return null
}

function shutOut(turn: Turn, peer: PeerId, reason: string): void {
  if (turn.state.lead?.head.revoked[peer] !== undefined || whyNot(turn, peer) !== null) return
  letGo(turn, peer, false, reason)
  propose(turn, { kind: 'revoke', who: peer, reason })
  withdraw(turn, peer)
}

const cameBy = ({ members }: LedgerState, invitation: PeerId): readonly PeerId[] =>
  Object.values(members).flatMap(({ id, through }) => (through?.invitation === invitation ? [id] : []))
