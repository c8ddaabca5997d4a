// A peer that knows few others asks one of them who else there is.
import { presentMembers } from '../core/ledger.js'
import type { Address } from '../core/messages.js'
import type { PeerState } from '../core/state.js'
import type { Mesh } from '../ports/mesh.js'
import { clusterOfPeer } from './speakers.js'

const EVERY_MS = 15_000
/** With so many connections a peer has somebody to fetch from and to gossip with, whoever goes. */
const ENOUGH = 4

export class Acquaintances {
  readonly #timer: NodeJS.Timeout

  constructor(
    private readonly mesh: Mesh,
    /** Of each swarm that the peer is in; in a hierarchical run others know members of other clusters only from above. */
    states: () => readonly PeerState[],
  ) {
    mesh.tellPeers(() => states().flatMap(known))
    this.#timer = setInterval(() => this.#ask(), EVERY_MS)
    // Whoever has come to a member of another cluster has to find its own.
    this.#ask()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #ask(): void {
    const peers = this.mesh.peers()
    if (peers.length === 0 || peers.length >= ENOUGH) return
    const whom = peers[Math.floor(Math.random() * peers.length)]
    // It is asked again, it or another.
    this.mesh.askForPeers(whom).catch(() => {})
  }
}

/** Where members are; from a pure worker the replicas, of which it was told. */
function known({ lead, replica, replicas }: PeerState): readonly Address[] {
  const ledger = lead?.head ?? replica?.ledger
  if (ledger === undefined) return replicas
  const peers = presentMembers(ledger).filter(({ id }) => clusterOfPeer(id) === null)
  return peers.map(({ id, addresses }) => ({ peer: id, addresses }))
}
