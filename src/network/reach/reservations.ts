// Keeps a place at each relay, so that peers on other networks reach this one there; asked for again whenever it is lost.
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { messageOf } from '../errors.js'

/** How often lost places are noticed. */
const CHECK_MS = 2_000
/** Pauses between failures; a relay that was restarted is back in service within the longest. */
const BACKOFF_MS = { first: 1_000, most: 15_000 } as const

export interface Places {
  /** Asks a relay for a place and listens there. */
  listen(address: Multiaddr): Promise<unknown>
  /** Addresses at which this peer is reached now. */
  addresses(): readonly string[]
  log(message: string): void
}

interface Relay {
  readonly address: string
  backoffMs: number
  nextMs: number
  asking: boolean
}

export class Reservations {
  readonly #relays: readonly Relay[]
  #timer: NodeJS.Timeout | undefined

  constructor(
    relays: readonly string[],
    private readonly places: Places,
    private readonly nowMs: () => number,
  ) {
    this.#relays = relays.map((address) => ({
      address,
      backoffMs: BACKOFF_MS.first,
      nextMs: 0,
      asking: false,
    }))
  }

  /** Resolves when each relay has answered, or could not be reached. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => void this.#check(), CHECK_MS)
    await this.#check()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /** The relays at which there is a place now. */
  held(): readonly string[] {
    const addresses = this.places.addresses()
    return this.#relays.flatMap(({ address }) => (holds(addresses, address) ? [address] : []))
  }

  async #check(): Promise<void> {
    const addresses = this.places.addresses()
    await Promise.all(this.#relays.map((relay) => this.#ask(relay, addresses)))
  }

  async #ask(relay: Relay, addresses: readonly string[]): Promise<void> {
    if (relay.asking || this.nowMs() < relay.nextMs) return
    if (holds(addresses, relay.address)) {
      relay.backoffMs = BACKOFF_MS.first
      return
    }
    relay.asking = true
    try {
      await this.places.listen(multiaddr(relay.address).encapsulate('/p2p-circuit'))
    } catch (error) {
      this.places.log(`no place at relay ${relay.address}: ${messageOf(error)}`)
    }
    // Also after a success: the address is told a moment later.
    relay.nextMs = this.nowMs() + relay.backoffMs
    relay.backoffMs = Math.min(2 * relay.backoffMs, BACKOFF_MS.most)
    relay.asking = false
  }
}

/** Whether one of these addresses leads through the relay, by whichever of its own addresses. */
function holds(addresses: readonly string[], relay: string): boolean {
  const id = /\/p2p\/([^/]+)$/.exec(relay)?.[1]
  return addresses.some((address) => address.includes(`/p2p/${id}/p2p-circuit`))
}
