// Who is here: connected, let in, and more than a relay. Coming and going are told from here to the rest of the network.
import type { Connection } from '@libp2p/interface'
import { type PeerId, peerId } from '../../core/ids.js'
import { HELLO_PROTOCOL } from '../direct/hello.js'
import type { Doorkeeper } from './doorkeeper.js'

export interface PresenceOptions {
  /** Null where whoever comes is let in. */
  readonly door: Doorkeeper | null
  /** Whether a peer was named as a relay. */
  readonly isRelay: (peer: PeerId) => boolean
  /** Those that are open. */
  readonly connections: (peer: PeerId) => readonly Connection[]
  /** Tells addresses and protocols over a connection, and hears those of the other end; gossip begins with that. */
  readonly identify: (connection: Connection) => void
  /** Somebody was let in, be it a relay. */
  readonly admitted: (peer: PeerId, connections: readonly Connection[]) => void
  readonly came: (peer: PeerId) => void
  readonly left: (peer: PeerId) => void
}

export class Presence {
  /** Connected, but no peers of ours: relays that do nothing else. A relay given is one until it shows to be more. */
  readonly #bystanders = new Set<PeerId>()
  #isClosed = false

  constructor(private readonly options: PresenceOptions) {}

  isIn(peer: PeerId): boolean {
    return this.options.door?.isInside(peer) ?? true
  }

  /** Let in, and no bystander. */
  isHere(peer: PeerId): boolean {
    return this.isIn(peer) && !this.#bystanders.has(peer)
  }

  /** A connection was opened, the first to its peer or one more. */
  opened(connection: Connection): void {
    const { door, isRelay, identify } = this.options
    if (door === null) return
    const peer = peerId(connection.remotePeer.toString())
    if (!isRelay(peer)) door.opened(connection)
    if (isRelay(peer) || door.isInside(peer)) identify(connection)
  }

  connected(peer: PeerId): void {
    const { door } = this.options
    if (door === null) this.admitted(peer)
    else door.connected(peer)
  }

  /** It is connected, and let in. */
  admitted(peer: PeerId): void {
    const { door, connections, identify, admitted, isRelay, came } = this.options
    const open = connections(peer)
    // Where there is no door, libp2p has done so.
    if (door !== null) open.forEach(identify)
    admitted(peer, open)
    if (isRelay(peer)) this.#bystanders.add(peer)
    else came(peer)
  }

  /** Who does not say hello has no part in any run. */
  identified(peer: PeerId, protocols: readonly string[]): void {
    const wasBystander = this.#bystanders.has(peer)
    const isBystander = !protocols.includes(HELLO_PROTOCOL)
    if (isBystander === wasBystander || this.#isClosed) return
    if (isBystander) {
      this.#bystanders.add(peer)
      this.options.left(peer)
    } else {
      this.#bystanders.delete(peer)
      this.options.came(peer)
    }
  }

  disconnected(peer: PeerId): void {
    const wasIn = this.isIn(peer)
    this.options.door?.disconnected(peer)
    if (!this.#bystanders.delete(peer) && wasIn && !this.#isClosed) this.options.left(peer)
  }

  /** Nobody comes or goes any more. */
  close(): void {
    this.#isClosed = true
  }
}
