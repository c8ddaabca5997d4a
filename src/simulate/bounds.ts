// The promise that nothing grows without bound: what a peer keeps in the core, whatever happens around it.
import type { Lead, PeerState, Replica } from '../core/state.js'
import { broken } from './broken-promise.js'

/** Upper bound of what a peer may queue. */
const queueBound = 1_000
/** Bookkeeping by peer or assignment may hold this many more than there are: it is tidied once per heartbeat. */
const slack = 1_000

export function checkPeerBounds(name: string, { connected, announced }: PeerState): void {
  if (connected.length > queueBound) broken(`${name} keeps ${connected.length} connections`)
  if (announced.length > queueBound) broken(`${name} keeps ${announced.length} digests`)
}

export function checkReplicaBounds(name: string, { queue, arrived }: Replica): void {
  if (queue.length > queueBound) broken(`${name} queues ${queue.length} outer steps`)
  if (size(arrived) > queueBound + 1) broken(`${name} keeps too many contributions`)
}

export function checkLeadBounds(name: string, lead: Lead): void {
  const peers = size(lead.head.members)
  const bounds: [string, number, number][] = [
    ['idle workers', lead.idle.length, peers],
    ['pulls', lead.pulling.length, peers + size(lead.head.open)],
    ['overheads', lead.overheads.length, queueBound],
    ['members heard', size(lead.heardAt), peers + slack],
    ['assignment times', size(lead.assignedAt), size(lead.head.open) + slack],
    ['resting workers', size(lead.resting), peers],
    ['farewells', size(lead.farewells), peers],
  ]
  for (const [what, count, bound] of bounds)
    if (count > bound) broken(`${name} keeps ${count} ${what}, more than ${bound}`)
}

const size = (record: object): number => Object.keys(record).length
