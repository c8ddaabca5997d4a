// What one peer can find out about the way to another, for who wants to know whether it could join.
import type { PeerId } from '../core/ids.js'
import type { PathKind } from './paths.js'

/** One call at one address, whether or not there is a connection to its peer already. */
export interface AddressProbe {
  readonly address: string
  /** Who answered; null where nobody did. */
  readonly peer: PeerId | null
  readonly kind: PathKind
  /** Why nobody did; empty if somebody did. */
  readonly reason: string
  /** Whether its port takes connections at all; null where that was not asked, or cannot be. */
  readonly portAnswers: boolean | null
  readonly ms: number
}

/** What a peer tells of itself and of whom it sees. */
export interface Introduction {
  /** Version of the messages that it speaks; null where it does not say. */
  readonly protocolVersion: number | null
  /** The address that this peer has for it, behind whatever is in between; null where it does not say. */
  readonly seenAs: string | null
}

/** A bounded transfer to a peer and back. */
export interface Echo {
  /** Least of several, of one byte. */
  readonly roundTripMs: number
  /** The largest burst that came back whole, and how long that took. */
  readonly bytes: number
  readonly ms: number
}

export interface Probe {
  /** Calls at an address; never rejects, and ends in time. */
  call(address: string): Promise<AddressProbe>
  /** Who a peer that has let this one in is. Rejects if it does not say so. */
  introduce(peer: PeerId): Promise<Introduction>
  /** Measures the path in use to a peer that has let this one in. */
  echo(peer: PeerId): Promise<Echo>
}

/** As what a responder sees the datagrams of one socket here. */
export interface Sighting {
  /** Host and port of the responder. */
  readonly responder: string
  /** Address and port that it saw; null where no answer came. */
  readonly seen: { readonly address: string; readonly port: number } | null
}

/** How datagrams of one socket look from outside. */
export interface Sightings {
  readonly localPort: number
  /** IPv4 addresses of this machine, loopback aside. */
  readonly own: readonly string[]
  readonly sightings: readonly Sighting[]
}
