// Who may hold what a peer lacks: in the order in which they are asked.
import type { PeerId } from './ids.js'
import type { Turn } from './state.js'

/** Who may hold what the ledger names: the leader, then the other replicas, then its worker. */
export function donorsOf({ state }: Turn, worker: PeerId | null): readonly PeerId[] {
  const { leader, replicas, replica, setup } = state
  const members = Object.values(replica?.ledger.members ?? {})
  const known =
    replica === null
      ? replicas.map(({ peer }) => peer)
      : members.flatMap(({ id, present, replica: holds }) => (present && holds ? [id] : []))
  const all = [leader, ...known, worker].filter((peer) => peer !== null && peer !== setup.self.id)
  return [...new Set(all)] as PeerId[]
}
