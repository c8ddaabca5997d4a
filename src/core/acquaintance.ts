// Who is where: the network hears of every member's cluster, and calls those that hold the outer state.
import type { AdmitEntry } from './entries.js'
import type { PeerId } from './ids.js'
import type { Member } from './ledger.js'
import { emit, type Replica, type Turn } from './state.js'

type Acquaintance = Pick<Member, 'id' | 'cluster' | 'addresses' | 'replica'>

export function getToKnow(turn: Turn, { id, cluster, addresses, replica }: Acquaintance): void {
  if (id === turn.state.setup.self.id) return
  emit(turn, { type: 'place', peer: id, cluster })
  if (replica) call(turn, id, addresses)
}

export const admitted = ({ peer: id, cluster, addresses, replica }: AdmitEntry): Acquaintance => ({
  id,
  cluster,
  addresses,
  replica,
})

/** Everyone whom the ledger names, also where that is not known to be committed. */
export function getToKnowAll(turn: Turn, { ledger, log }: Replica): void {
  for (const member of Object.values(ledger.members)) getToKnow(turn, member)
  for (const entry of log)
    if (entry.kind === 'admit' && entry.index > ledger.index) getToKnow(turn, admitted(entry))
}

export function call(turn: Turn, peer: PeerId, addresses: readonly string[]): void {
  const { setup, connected } = turn.state
  if (peer !== setup.self.id && !connected.includes(peer)) emit(turn, { type: 'call', peer, addresses })
}
