// The node's connections, by peer: made, found and cut.
import type { Identify } from '@libp2p/identify'
import type { Connection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Libp2p } from 'libp2p'
import { type PeerId, peerId } from '../core/ids.js'
import { messageOf } from './errors.js'

export class Connections {
  constructor(
    /** Made after those who ask for its connections. */
    private readonly node: () => Libp2p,
    private readonly log: (message: string) => void,
  ) {}

  /** The connection to a peer, or to who is at an address: one that there is already, or a new one. */
  dial(...call: Parameters<Libp2p['dial']>): Promise<Connection> {
    return this.node().dial(...call)
  }

  /** To whomever, and in whatever state. */
  all(): readonly Connection[] {
    return this.node().getConnections()
  }

  /** Those to a peer that are open. */
  to(peer: PeerId): readonly Connection[] {
    return this.#to(peer).filter(({ status }) => status === 'open')
  }

  has(peer: PeerId): boolean {
    return this.to(peer).length > 0
  }

  /** Who is connected, let in or not. */
  peers(): readonly PeerId[] {
    return this.node()
      .getPeers()
      .map((peer) => peerId(peer.toString()))
  }

  /** Tells addresses and protocols over a connection, and hears those of the other end; gossip begins with that. */
  identify(connection: Connection): void {
    const { identify } = this.node().services as { readonly identify: Identify }
    identify
      .identify(connection)
      .catch((error) => this.log(`identifying ${connection.remotePeer}: ${messageOf(error)}`))
  }

  /** Lets a peer go that does not belong here. */
  hangUp(peer: PeerId): void {
    void this.node()
      .hangUp(peerIdFromString(peer))
      .catch(() => {})
  }

  /** Cuts a peer off in the middle of whatever it says. */
  drop(peer: PeerId, reason: string): void {
    this.log(`dropping ${peer}: ${reason}`)
    for (const connection of this.#to(peer)) connection.abort(new Error(reason))
  }

  #to(peer: PeerId): Connection[] {
    return this.node().getConnections(peerIdFromString(peer))
  }
}
