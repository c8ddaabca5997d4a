// Who is here: connected, let in, and more than a relay. Coming and going are told from here to the rest of the network.
import type { Connection } from '@libp2p/interface'
import { type PeerId, peerId } from '../../core/ids.js'
import type { Connections } from '../connections.js'
import { HELLO_PROTOCOL } from '../direct/hello.js'
import { bestOf } from '../reach/paths.js'
import type { Doorkeeper } from './doorkeeper.js'

export interface PresenceOptions {
  /** Null where whoever comes is let in. */
  readonly door: Doorkeeper | null
  /** Whether a peer was named as a relay. */
  readonly isRelay: (peer: PeerId) => boolean
  readonly connections: Connections
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

  /** All who are here: let in, and no bystanders. */
  peers(): readonly PeerId[] {
    const connected = this.options.connections.peers()
    return connected.filter((peer) => this.#isIn(peer) && !this.#bystanders.has(peer))
  }

  /** The best connection to a peer that was let in. */
  connectionTo(peer: PeerId): Connection | undefined {
    return this.#isIn(peer) ? bestOf(this.options.connections.to(peer)) : undefined
  }

  /** A connection was opened, the first to its peer or one more. */
  opened(connection: Connection): void {
    const { door, isRelay, connections } = this.options
    if (door === null) return
    const peer = peerId(connection.remotePeer.toString())
    if (!isRelay(peer)) door.opened(connection)
    if (isRelay(peer) || door.isInside(peer)) connections.identify(connection)
  }

  connected(peer: PeerId): void {
    const { door } = this.options
    if (door === null) this.admitted(peer)
    else door.connected(peer)
  }

  /** It is connected, and let in. */
  admitted(peer: PeerId): void {
    const { door, connections, admitted, isRelay, came } = this.options
    const open = connections.to(peer)
    // Where there is no door, libp2p has done so.
    if (door !== null) for (const connection of open) connections.identify(connection)
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
    const wasIn = this.#isIn(peer)
    this.options.door?.disconnected(peer)
    if (!this.#bystanders.delete(peer) && wasIn && !this.#isClosed) this.options.left(peer)
  }

  /** Nobody comes or goes any more. */
  close(): void {
    this.#isClosed = true
  }

  #isIn(peer: PeerId): boolean {
    return this.options.door?.isInside(peer) ?? true
  }
}
