// A peer that knows few others asks one of them who else there is.
import { type LedgerState, presentMembers } from '../core/ledger.js'
import type { Address } from '../core/messages.js'
import type { PeerState } from '../core/state.js'
import type { Mesh } from '../ports/mesh.js'

const EVERY_MS = 15_000
/** With so many connections a peer has somebody to fetch from and to gossip with, whoever goes. */
const ENOUGH = 4

export class Acquaintances {
  readonly #timer: NodeJS.Timeout

  constructor(
    private readonly mesh: Mesh,
    state: () => PeerState,
  ) {
    mesh.tellPeers(() => membersOf(state().lead?.head ?? state().replica?.ledger))
    this.#timer = setInterval(() => this.#ask(), EVERY_MS)
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

/** Where members are; nothing from a pure worker, which does not know. */
const membersOf = (ledger: LedgerState | undefined): readonly Address[] =>
  ledger === undefined ? [] : presentMembers(ledger).map(({ id, addresses }) => ({ peer: id, addresses }))
