// Another member takes the place of a replica that is gone: without it a swarm would lose one voter after the other.
import { doubtMs } from './deadlines.js'
import { type Member, presentMembers } from './ledger.js'
import { holdsLease, propose } from './proposals.js'
import type { Turn } from './state.js'

/** One at a time, of the cluster that has the fewest; it holds the outer state as soon as it has fetched it. */
export function promoteIfDue(turn: Turn): void {
  const { lead, replica, setup, leaving } = turn.state
  if (lead === null || replica === null || !lead.ready || leaving || !holdsLease(turn)) return
  // What was proposed last comes first: its member may be the one that was missing.
  if (lead.head.finished !== null || lead.head.replicasAt > replica.ledger.index) return
  const members = presentMembers(lead.head)
  const replicas = members.filter((member) => member.replica)
  if (replicas.length >= setup.run.replicas) return
  const held = ({ cluster }: Member) => replicas.filter((other) => other.cluster === cluster).length
  const [next] = members
    .filter((member) => mayHold(turn, member))
    .sort((a, b) => held(a) - held(b) || (a.id < b.id ? -1 : 1))
  if (next === undefined) return
  const { id: peer, name, cluster, role, addresses, rehearsed: speed, through } = next
  propose(turn, { kind: 'admit', peer, name, cluster, replica: true, role, speed, addresses, through })
}

/** It is there, and may be more than a worker. */
function mayHold({ state, at }: Turn, { id, role, replica }: Member): boolean {
  const { lead, connected } = state
  if (replica || role === 'worker' || !connected.includes(id)) return false
  return at - (lead?.heardAt[id] ?? Number.NEGATIVE_INFINITY) < doubtMs
}
