// Stays connected: calls the peers that were found, given or once reached, again and again with backoff.
import type { PeerInfo } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { type PeerId, peerId } from '../../core/ids.js'
import type { AddressSource, Attempt } from '../../ports/paths.js'
import { innermost } from '../errors.js'
import { callOrder } from './paths.js'

/**
 * First pause after a failure, doubled each time; the most keeps a lost peer's return below half a minute, and that of
 * one that is needed (it may vote) about as short as an election.
 */
const BACKOFF_MS = { first: 500, most: 30_000, mostIfNeeded: 3_000 } as const
/** Two peers that find each other would open two connections; the one with the larger id lets the other call. */
const COURTESY_MS = 1_500
/** Calls at a time: more would only keep each other waiting, where many peers come at once, until all are given up. */
const MOST_CALLS = 8
/** For an address that names no peer, and so has no rank. */
const UNNAMED_PATIENCE_MS = 10_000
/** Addresses of one peer that are kept: the own networks of a machine, some relays', and earlier ones. */
const MOST_ADDRESSES = 16

/** Addresses of a peer that others are told. */
const MOST_TOLD = 4

export interface Caller {
  readonly self: PeerId
  isConnected(peer: PeerId): boolean
  /** An address at which this peer itself listens: another's of the same port leads nowhere else. */
  isOwn(address: string): boolean
  /** False for peers of other runs and for those that misbehaved. */
  welcomes(peer: PeerId): boolean
  dial(address: Multiaddr, patience: AbortSignal): Promise<unknown>
  attempted(attempt: Attempt): void
}

interface Acquaintance {
  /** By where each came from. */
  readonly addresses: Map<string, AddressSource>
  /** Where it answered last. */
  worked: string | null
  needed: boolean
  backoffMs: number
  timer: NodeJS.Timeout | null
  calling: boolean
}

export class Rejoin {
  readonly #known = new Map<PeerId, Acquaintance>()
  readonly #bootstraps = new Map<string, Acquaintance>()
  readonly #waiting: (() => void)[] = []
  #calls = 0
  #closed = false

  constructor(private readonly caller: Caller) {}

  /** An address given by the user: called until a peer answers there, and again whenever it is lost. */
  remember(address: string): void {
    const id = peerOf(address)
    if (id !== null) {
      this.#know(id, [address], 'ticket')
      this.#schedule(id, 0)
    } else if (!this.#bootstraps.has(address)) {
      const acquaintance = stranger()
      acquaintance.addresses.set(address, 'ticket')
      this.#bootstraps.set(address, acquaintance)
      void this.#callUnnamed(address, acquaintance)
    }
  }

  /** A peer answered on the local network, or is in the hash table, perhaps at new addresses. */
  found({ id, multiaddrs }: PeerInfo, by: AddressSource): void {
    const peer = peerId(id.toString())
    if (peer === this.caller.self) return
    this.#know(peer, multiaddrs.map(String), by)
    this.#schedule(peer, this.#courtesyMs(peer))
  }

  /** Addresses at which a peer says, or has shown, that it can be reached. */
  learn(peer: PeerId, addresses: readonly string[]): void {
    this.#know(peer, addresses, 'itself')
  }

  /** An address at which a peer has answered. */
  reached(peer: PeerId, address: string): void {
    this.#know(peer, [address], 'itself')
    const acquaintance = this.#known.get(peer)
    if (acquaintance !== undefined) acquaintance.worked = address
  }

  /** Where a peer can be reached, the newest last. */
  addressesOf(peer: PeerId): readonly string[] {
    return [...(this.#known.get(peer)?.addresses.keys() ?? [])].slice(-MOST_TOLD)
  }

  /** Where to dial a peer: what is known here, and what others say; of that, what is no address of it is passed over. */
  waysTo(peer: PeerId, told: readonly string[]): Multiaddr[] {
    const usable = told.filter((address) => leadsTo(address, peer))
    return [...new Set([...this.addressesOf(peer), ...usable])].map((address) => withPeer(address, peer))
  }

  /** A peer that is needed, and where it is said to be; what is no address of it is passed over. */
  call(peer: PeerId, addresses: readonly string[], by: AddressSource): void {
    if (peer === this.caller.self) return
    const usable = addresses.filter((address) => leadsTo(address, peer))
    const before = this.#known.get(peer)
    const isNews = usable.some((address) => before?.addresses.has(address) !== true)
    this.#know(peer, usable, by)
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

  #know(peer: PeerId, addresses: readonly string[], by: AddressSource): void {
    const acquaintance = this.#known.get(peer) ?? stranger()
    this.#known.set(peer, acquaintance)
    for (const address of addresses) {
      // Newest last; a peer has few addresses at a time, so that older ones are stale.
      const before = acquaintance.addresses.get(address)
      acquaintance.addresses.delete(address)
      acquaintance.addresses.set(address, before ?? by)
      if (acquaintance.addresses.size > MOST_ADDRESSES) {
        acquaintance.addresses.delete(acquaintance.addresses.keys().next().value as string)
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
    const addresses = [...acquaintance.addresses.keys()].filter((address) => !this.caller.isOwn(address))
    for (const { address, patienceMs } of callOrder(addresses, acquaintance.worked)) {
      const by = acquaintance.addresses.get(address) ?? 'itself'
      if (await this.#dial(peer, withPeer(address, peer), by, patienceMs)) break
      if (this.#closed || this.caller.isConnected(peer)) break
    }
    acquaintance.calling = false
    if (!this.caller.isConnected(peer)) this.#schedule(peer, next(acquaintance))
  }

  async #callUnnamed(address: string, acquaintance: Acquaintance): Promise<void> {
    // Once it has answered, the peer is known by its id and called by it.
    if (await this.#dial(null, multiaddr(address), 'ticket', UNNAMED_PATIENCE_MS)) return
    if (this.#closed) return
    acquaintance.timer = setTimeout(() => void this.#callUnnamed(address, acquaintance), next(acquaintance))
  }

  /** Whether the peer is there then; a call is told of either way. */
  async #dial(
    peer: PeerId | null,
    address: Multiaddr,
    by: AddressSource,
    patienceMs: number,
  ): Promise<boolean> {
    const leave = await this.#turn()
    try {
      if (this.#closed) return false
      // It may have called meanwhile.
      if (peer !== null && this.caller.isConnected(peer)) return true
      return await this.#dialNow(peer, address, by, patienceMs)
    } finally {
      leave()
    }
  }

  async #dialNow(
    peer: PeerId | null,
    address: Multiaddr,
    by: AddressSource,
    patienceMs: number,
  ): Promise<boolean> {
    const beganMs = performance.now()
    const patience = AbortSignal.timeout(patienceMs)
    let reason = ''
    try {
      await this.caller.dial(address, patience)
    } catch (error) {
      reason = patience.aborted ? 'nobody answered in time' : innermost(error)
    }
    if (this.#closed) return false
    const outcome = reason === '' ? 'connected' : 'failed'
    const ms = Math.round(performance.now() - beganMs)
    this.caller.attempted({ peer, address: address.toString(), by, outcome, reason, ms })
    return outcome === 'connected'
  }

  /** Resolves when a call may begin, with how to say that it is over. */
  async #turn(): Promise<() => void> {
    if (this.#calls < MOST_CALLS) this.#calls++
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    return () => {
      // Whoever waits takes this place.
      const next = this.#waiting.shift()
      if (next === undefined) this.#calls--
      else next()
    }
  }
}

const stranger = (): Acquaintance => ({
  addresses: new Map(),
  worked: null,
  needed: false,
  backoffMs: BACKOFF_MS.first,
  timer: null,
  calling: false,
})

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

/** The peer that an address leads to, or null; a relay on the way is not it. */
export function peerOf(address: string): PeerId | null {
  const last = multiaddr(address).getComponents().at(-1)
  return last?.name === 'p2p' && last.value !== undefined ? peerId(last.value) : null
}

const withPeer = (address: string, peer: PeerId): Multiaddr =>
  multiaddr(peerOf(address) === null ? `${address}/p2p/${peer}` : address)
