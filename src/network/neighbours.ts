// The peers around this one: called and called again, let in or turned away, and given up when nothing is heard of them.
import type { Connection } from '@libp2p/interface'
import type { PeerId } from '../core/ids.js'
import type { Door } from '../ports/door.js'
import type { MeshHandlers } from '../ports/mesh.js'
import type { Attempt } from '../ports/paths.js'
import { withoutPeer } from './address.js'
import type { Connections } from './connections.js'
import { Liveness, type Pulses } from './direct/liveness.js'
import { Doorkeeper } from './door/doorkeeper.js'
import { Entrance } from './door/entrance.js'
import type { Gate } from './door/gate.js'
import { Presence } from './door/presence.js'
import type { Meter } from './flow/meter.js'
import { Attempts } from './reach/attempts.js'
import { Calls } from './reach/calls.js'
import { peerOf, Rejoin } from './reach/rejoin.js'

export interface NeighboursParts {
  readonly self: PeerId
  readonly connections: Connections
  readonly gate: Gate
  readonly meter: Meter
  /** Who may come in; whoever reaches this peer, where there is none. */
  readonly door: Door | null
  /** Addresses of those that this peer is to be reached through. */
  readonly relays: readonly string[]
  /** Addresses of this peer itself. */
  readonly addresses: () => readonly string[]
  readonly handlers: Pick<MeshHandlers, 'hello' | 'connected' | 'disconnected' | 'refused'>
  readonly pulse: Pick<Pulses, 'beat' | 'gossips'>
  /** Called for every call at an address. */
  readonly attempted: (attempt: Attempt) => void
  /** What one of them sent makes no sense. */
  readonly malformed: (from: PeerId, what: string, error: unknown) => void
}

export class Neighbours {
  readonly attempts: Attempts
  readonly rejoin: Rejoin
  /** Null where whoever comes is let in. */
  readonly doorkeeper: Doorkeeper | null
  readonly presence: Presence
  readonly entrance: Entrance
  readonly calls: Calls
  readonly #liveness: Liveness

  constructor(parts: NeighboursParts) {
    const { self, connections, gate, meter, door, relays, handlers, pulse, malformed } = parts
    const isRelay = (peer: PeerId) => relays.some((relay) => peerOf(relay) === peer)
    const drop = (peer: PeerId, reason: string) => connections.drop(peer, reason)
    this.attempts = new Attempts(parts.attempted)
    this.rejoin = new Rejoin({
      self,
      isConnected: (peer) => connections.has(peer),
      welcomes: (peer) => gate.welcomes(peer),
      isOwn: (address) => parts.addresses().some((own) => withoutPeer(own) === withoutPeer(address)),
      dial: (address, signal) => connections.dial(address, { signal }),
      attempted: (attempt) => this.attempts.note(attempt),
    })
    this.doorkeeper =
      door === null
        ? null
        : new Doorkeeper({
            door,
            gate,
            meter,
            self,
            isRelay,
            hangUp: drop,
            admitted: (peer) => this.presence.admitted(peer),
            refused: (from, reason) => handlers.refused(from, 'peer', reason),
            malformed: (from, error) => malformed(from, 'knock', error),
          })
    this.presence = new Presence({
      door: this.doorkeeper,
      isRelay,
      connections,
      admitted: (peer, open) => this.#admitted(peer, open),
      came: (peer) => {
        this.heard(peer)
        handlers.connected(peer)
      },
      left: (peer) => handlers.disconnected(peer),
    })
    const { attempts, rejoin, doorkeeper, presence } = this
    const pulses = { ...pulse, peers: () => presence.peers(), drop }
    this.#liveness = new Liveness(pulses, () => performance.now())
    this.entrance = new Entrance({
      doorkeeper,
      gate,
      meter,
      connections,
      presence,
      isRelay,
      handlers,
      malformed: (from, error) => malformed(from, 'hello', error),
    })
    this.calls = new Calls({ connections, presence, gate, doorkeeper, rejoin, attempts })
  }

  /** @param bootstrap where to call until somebody answers */
  start(bootstrap: readonly string[]): void {
    this.#liveness.start()
    for (const address of bootstrap) this.rejoin.remember(address)
  }

  /** Something came from a peer: it is alive. */
  heard(peer: PeerId): void {
    this.#liveness.heard(peer)
  }

  disconnected(peer: PeerId): void {
    this.#liveness.forget(peer)
    this.rejoin.disconnected(peer)
    this.presence.disconnected(peer)
  }

  /** Nobody comes or goes any more, nor is called. */
  close(): void {
    this.presence.close()
    this.rejoin.close()
    this.doorkeeper?.close()
    this.#liveness.close()
  }

  #admitted(peer: PeerId, connections: readonly Connection[]): void {
    this.heard(peer)
    for (const { direction, remoteAddr } of connections) {
      if (direction === 'outbound') this.rejoin.reached(peer, remoteAddr.toString())
    }
    this.rejoin.connected(peer)
  }
}
