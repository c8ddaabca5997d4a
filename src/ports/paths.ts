// How peers are reached: the path in use to each, and every attempt to find one.
import type { PeerId } from '../core/ids.js'

/** On the same network, at a public address, through two routers at once, or by way of a relay. */
export type PathKind = 'lan' | 'direct' | 'punched' | 'relayed'

export interface PeerPath {
  readonly peer: PeerId
  readonly kind: PathKind
  /** Multiaddr of its end of the connection. */
  readonly address: string
  /** Measured every few seconds; null until it was. */
  readonly roundTripMs: number | null
  /** Most bytes in a second, both ways together, of the last minute; null before any went. */
  readonly bytesPerSecond: number | null
}

/**
 * Where an address came from: given by the user or a ticket, the local network, the distributed hash table, an earlier
 * run, another peer, or the peer itself.
 */
export type AddressSource = 'ticket' | 'mdns' | 'dht' | 'memory' | 'exchange' | 'itself'

/** One call at one address. */
export interface Attempt {
  /** Null where the address names no peer. */
  readonly peer: PeerId | null
  readonly address: string
  readonly by: AddressSource
  readonly outcome: 'connected' | 'failed'
  /** Why it failed; empty if it did not. */
  readonly reason: string
  readonly ms: number
}
