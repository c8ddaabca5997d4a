// Stays connected: calls the peers that were found, given or once reached, again and again with backoff.
import type { PeerInfo } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { type PeerId, peerId } from '../core/ids.js'
import { messageOf } from './errors.js'

/**
 * First pause after a failure, doubled each time; the most keeps a lost peer's return below half a minute, and that of
 * one that is needed (it may vote) about as short as an election.
 */
const BACKOFF_MS = { first: 500, most: 30_000, mostIfNeeded: 3_000 } as const
/** Two peers that find each other would open two connections; the one with the larger id lets the other call. */
const COURTESY_MS = 1_500

/** Addresses of a peer that others are told. */
const MOST_TOLD = 4

export interface Caller {
  readonly self: PeerId
  isConnected(peer: PeerId): boolean
  /** False for peers of other runs and for those that misbehaved. */
  welcomes(peer: PeerId): boolean
  dial(addresses: Multiaddr[]): Promise<unknown>
  log(message: string): void
}

interface Acquaintance {
  readonly addresses: Set<string>
  needed: boolean
  backoffMs: number
  timer: NodeJS.Timeout | null
  calling: boolean
}

export class Rejoin {
  readonly #known = new Map<PeerId, Acquaintance>()
  readonly #bootstraps = new Map<string, Acquaintance>()
  #closed = false

  constructor(private readonly caller: Caller) {}

  /** An address given by the user: called until a peer answers there, and again whenever it is lost. */
  remember(address: string): void {
    const id = peerOf(address)
    if (id !== null) {
      this.#know(id, [address])
      this.#schedule(id, 0)
    } else if (!this.#bootstraps.has(address)) {
      const acquaintance = {
        addresses: new Set([address]),
        needed: false,
        backoffMs: BACKOFF_MS.first,
        timer: null,
        calling: false,
      }
      this.#bootstraps.set(address, acquaintance)
      void this.#callUnnamed(address, acquaintance)
    }
  }

  /** A peer answered on the local network, perhaps at new addresses. */
  found({ id, multiaddrs }: PeerInfo): void {
    const peer = peerId(id.toString())
    if (peer === this.caller.self) return
    this.#know(peer, multiaddrs.map(String))
    this.#schedule(peer, this.#courtesyMs(peer))
  }

  /** Addresses at which a peer says, or has shown, that it can be reached. */
  learn(peer: PeerId, addresses: readonly string[]): void {
    this.#know(peer, addresses)
  }

  /** Where a peer can be reached, the newest last. */
  addressesOf(peer: PeerId): readonly string[] {
    return [...(this.#known.get(peer)?.addresses ?? [])].slice(-MOST_TOLD)
  }

  /** Where to dial a peer: what is known here, and what others say; of that, what is no address of it is passed over. */
  waysTo(peer: PeerId, told: readonly string[]): Multiaddr[] {
    const usable = told.filter((address) => leadsTo(address, peer))
    return [...new Set([...this.addressesOf(peer), ...usable])].map((address) => withPeer(address, peer))
  }

  /** A peer that is needed, and where it is said to be; what is no address of it is passed over. */
  call(peer: PeerId, addresses: readonly string[]): void {
    if (peer === this.caller.self) return
    const usable = addresses.filter((address) => leadsTo(address, peer))
    const before = this.#known.get(peer)
    const isNews = usable.some((address) => before?.addresses.has(address) !== true)
    this.#know(peer, usable)
    const known = this.#known.get(peer)
    if (known !== undefined) known.needed = true
    if (isNews) this.#hurry(peer)
    this.#schedule(peer, this.#courtesyMs(peer))
  }

  connected(peer: PeerId): void {
    this.#hurry(peer)
  }

  disconnected(peer: PeerId): void {
    this.#schedule(peer, BACKOFF_MS.first + this.#courtesyMs(peer))
  }

  close(): void {
    this.#closed = true
    for (const { timer } of [...this.#known.values(), ...this.#bootstraps.values()]) {
      if (timer !== null) clearTimeout(timer)
    }
  }

  #know(peer: PeerId, addresses: readonly string[]): void {
    let acquaintance = this.#known.get(peer)
    if (acquaintance === undefined) {
      acquaintance = {
        addresses: new Set(),
        needed: false,
        backoffMs: BACKOFF_MS.first,
        timer: null,
        calling: false,
      }
      this.#known.set(peer, acquaintance)
    }
    for (const address of addresses) {
      // Newest last; a peer has few addresses at a time, so that older ones are stale.
      acquaintance.addresses.delete(address)
      acquaintance.addresses.add(address)
      if (acquaintance.addresses.size > 16) {
        acquaintance.addresses.delete(acquaintance.addresses.values().next().value as string)
      }
    }
  }

  /** The wait for the next call is over, and those after it begin short again. */
  #hurry(peer: PeerId): void {
    const acquaintance = this.#known.get(peer)
    if (acquaintance === undefined) return
    acquaintance.backoffMs = BACKOFF_MS.first
    if (acquaintance.timer !== null) clearTimeout(acquaintance.timer)
    acquaintance.timer = null
  }

  #courtesyMs(peer: PeerId): number {
    return this.caller.self < peer ? 0 : COURTESY_MS
  }

  #schedule(peer: PeerId, inMs: number): void {
    const acquaintance = this.#known.get(peer)
    if (acquaintance === undefined || acquaintance.timer !== null || acquaintance.calling) return
    if (this.#closed || this.caller.isConnected(peer) || !this.caller.welcomes(peer)) return
    acquaintance.timer = setTimeout(() => {
      acquaintance.timer = null
      void this.#call(peer, acquaintance)
    }, inMs)
  }

  async #call(peer: PeerId, acquaintance: Acquaintance): Promise<void> {
    if (this.#closed || this.caller.isConnected(peer) || !this.caller.welcomes(peer)) return
    acquaintance.calling = true
    try {
      await this.caller.dial([...acquaintance.addresses].map((address) => withPeer(address, peer)))
    } catch (error) {
      this.caller.log(`calling ${peer} failed: ${messageOf(error)}`)
    }
    acquaintance.calling = false
    if (!this.caller.isConnected(peer)) this.#schedule(peer, next(acquaintance))
  }

  async #callUnnamed(address: string, acquaintance: Acquaintance): Promise<void> {
    try {
      // Once it has answered, the peer is known by its id and called by it.
      await this.caller.dial([multiaddr(address)])
    } catch (error) {
      this.caller.log(`calling ${address} failed: ${messageOf(error)}`)
      if (this.#closed) return
      acquaintance.timer = setTimeout(() => void this.#callUnnamed(address, acquaintance), next(acquaintance))
    }
  }
}

/** The pause before the next call, with jitter so that peers that lost the same one do not return at once. */
function next(acquaintance: Acquaintance): number {
  const most = acquaintance.needed ? BACKOFF_MS.mostIfNeeded : BACKOFF_MS.most
  const pauseMs = acquaintance.backoffMs * (0.75 + 0.5 * Math.random())
  acquaintance.backoffMs = Math.min(most, 2 * acquaintance.backoffMs)
  return pauseMs
}

/** Whether an address that another peer passed on can be one of this peer's. */
function leadsTo(address: string, peer: PeerId): boolean {
  try {
    return (peerOf(address) ?? peer) === peer
  } catch {
    return false
  }
}

/** The peer that an address names, or null. */
function peerOf(address: string): PeerId | null {
  const id = multiaddr(address)
    .getComponents()
    .findLast((component) => component.name === 'p2p')?.value
  return id === undefined ? null : peerId(id)
}

const withPeer = (address: string, peer: PeerId): Multiaddr =>
  multiaddr(peerOf(address) === null ? `${address}/p2p/${peer}` : address)
