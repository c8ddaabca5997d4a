// From a relayed connection to a direct one: WebRTC is called over the relay again and again, with ever longer pauses,
// and what went by the relay moves over once it answers.
import type { Connection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { type PeerId, peerId } from '../../core/ids.js'
import type { Attempt } from '../../ports/paths.js'
import { BULK_PROTOCOL } from '../bulk/donor.js'
import { messageOf } from '../errors.js'
import { isBetter, isRelayed, pathKind } from './paths.js'

/** Routers that keep ports are passed at the first attempt or the second; others never, but people change routers. */
const BACKOFF_MS = { first: 1_000, most: 5 * 60_000, factor: 4 } as const
/** What is under way by the relay may still arrive. */
const GRACE_MS = 3_000

export interface Upgrading {
  connections(peer: PeerId): readonly Connection[]
  /** Calls although there is a connection already. */
  dial(address: ReturnType<typeof multiaddr>): Promise<unknown>
  /** What is long-lived moves to this connection. */
  moved(connection: Connection): void
  attempted(attempt: Attempt): void
}

export class Upgrades {
  readonly #timers = new Map<PeerId, NodeJS.Timeout>()
  readonly #graces = new Set<NodeJS.Timeout>()

  constructor(
    private readonly upgrading: Upgrading,
    private readonly canPunch: boolean,
  ) {}

  /** A connection was opened, the first to its peer or one more. */
  opened(connection: Connection): void {
    const peer = peerId(connection.remotePeer.toString())
    if (isRelayed(connection.remoteAddr)) {
      // One side calls: two calls at once would end as two connections.
      if (connection.direction === 'outbound') this.#schedule(peer, BACKOFF_MS.first)
      return
    }
    this.#forgetTimer(peer)
    const others = this.upgrading.connections(peer).filter(({ id }) => id !== connection.id)
    const kind = pathKind(connection.remoteAddr)
    const worse = others.filter(({ remoteAddr }) => isRelayed(remoteAddr) && isBetter(kind, 'relayed'))
    if (worse.length === 0) return
    this.upgrading.moved(connection)
    for (const relayed of worse) this.#closeSoon(relayed)
  }

  /** A transfer that began by the relay may end there. */
  #closeSoon(relayed: Connection): void {
    const grace = setTimeout(() => {
      this.#graces.delete(grace)
      if (relayed.streams.some(({ protocol }) => protocol === BULK_PROTOCOL)) return this.#closeSoon(relayed)
      relayed.close().catch(() => relayed.abort(new Error('it is not needed')))
    }, GRACE_MS)
    this.#graces.add(grace)
  }

  forget(peer: PeerId): void {
    this.#forgetTimer(peer)
  }

  close(): void {
    for (const timer of [...this.#timers.values(), ...this.#graces]) clearTimeout(timer)
  }

  #schedule(peer: PeerId, pauseMs: number): void {
    if (!this.canPunch || this.#timers.has(peer)) return
    this.#timers.set(
      peer,
      setTimeout(() => void this.#upgrade(peer, pauseMs), pauseMs),
    )
  }

  async #upgrade(peer: PeerId, pauseMs: number): Promise<void> {
    const open = this.upgrading.connections(peer).filter(({ status }) => status === 'open')
    const relayed = open.find(({ remoteAddr }) => isRelayed(remoteAddr))
    this.#forgetTimer(peer)
    if (relayed === undefined || open.some(({ remoteAddr }) => !isRelayed(remoteAddr))) return
    const address = relayed.remoteAddr.toString().replace('/p2p-circuit', '/p2p-circuit/webrtc')
    const beganMs = performance.now()
    const attempted = (outcome: Attempt['outcome'], reason: string) => {
      const ms = Math.round(performance.now() - beganMs)
      this.upgrading.attempted({ peer, address, by: 'itself', outcome, reason, ms })
    }
    try {
      await this.upgrading.dial(multiaddr(address))
      attempted('connected', '')
    } catch (error) {
      attempted('failed', messageOf(error))
      this.#schedule(peer, Math.min(BACKOFF_MS.factor * pauseMs, BACKOFF_MS.most))
    }
  }

  #forgetTimer(peer: PeerId): void {
    clearTimeout(this.#timers.get(peer))
    this.#timers.delete(peer)
  }
}
