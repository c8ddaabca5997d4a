// The virtual network: who is connected to whom, how long each message takes, and what is lost, doubled, held up.
import type { PeerId } from '../core/ids.js'
import type { Topic } from '../core/messages.js'
import type { VirtualClock } from './clock.js'
import type { SimulatedPeer } from './peer.js'

export interface NetworkModel {
  /** One-way delay within a cluster and between clusters, ms. */
  readonly latencyMs: number
  readonly betweenMs: number
  /** Up to this much more, uniformly: messages overtake each other. */
  readonly jitterMs: number
  /** Share of messages lost, and of messages delivered twice. Connected streams lose nothing: gossip only. */
  readonly loss: number
  readonly duplication: number
  /** Bytes per second from one peer to another, for bulk; control messages have streams of their own. */
  readonly bytesPerSecond: number
}

export const quietNetwork: NetworkModel = {
  latencyMs: 1,
  betweenMs: 20,
  jitterMs: 0,
  loss: 0,
  duplication: 0,
  bytesPerSecond: Number.POSITIVE_INFINITY,
}

/** Until both sides notice that a process died or came. */
const noticedMs = 1
/** Until a connection over which nothing gets through is given up; until a lost one is tried again. */
const giveUpMs = 2_200
const tryAgainMs = 500

export interface NetworkEvents {
  connected(peer: SimulatedPeer, other: SimulatedPeer): void
  disconnected(peer: SimulatedPeer, other: PeerId): void
}

export class VirtualNetwork {
  /** Directions in which nothing gets through. */
  readonly #blocked = new Set<string>()
  readonly #connections = new Set<string>()
  /** What waits on streams whose direction is blocked. */
  readonly #held = new Map<string, (() => void)[]>()
  /** When the latest message on each direct stream arrives: the next one does not overtake it. */
  readonly #arrivals = new Map<string, number>()
  readonly #bulkFree = new Map<string, number>()

  constructor(
    /** May change while messages are on their way. */
    public model: NetworkModel,
    private readonly clock: VirtualClock,
    /** In [0, 1); each call is a new draw. */
    private readonly roll: () => number,
    private readonly peers: ReadonlyMap<PeerId, SimulatedPeer>,
    private readonly events: NetworkEvents,
  ) {}

  alive(): SimulatedPeer[] {
    return [...this.peers.values()].filter((peer) => peer.memory !== null)
  }

  /** A process came up: it connects to all that it reaches. */
  join(peer: SimulatedPeer): void {
    for (const other of this.alive()) if (other !== peer) this.#connectLater(peer, other, noticedMs)
  }

  /** A process died: its connections close. */
  leave(peer: SimulatedPeer): void {
    for (const other of this.peers.values()) if (other !== peer) this.#disconnect(peer, other, noticedMs)
  }

  /** Nothing gets from `from` to `to` any more. What is on its way arrives. */
  block(from: SimulatedPeer, to: SimulatedPeer): void {
    this.#blocked.add(key(from, to))
    this.clock.after(giveUpMs, () => {
      if (!this.#isOpen(from, to)) this.#disconnect(from, to, 0)
    })
  }

  unblock(from: SimulatedPeer, to: SimulatedPeer): void {
    if (!this.#blocked.delete(key(from, to))) return
    const held = this.#held.get(key(from, to)) ?? []
    this.#held.delete(key(from, to))
    for (const deliver of held) deliver()
    this.#connectLater(from, to, tryAgainMs)
  }

  isConnected(a: SimulatedPeer, b: SimulatedPeer): boolean {
    return this.#connections.has(pair(a, b))
  }

  /** The peer of this id, if its process is alive and bytes get there and back. */
  reachable(from: SimulatedPeer, id: PeerId): SimulatedPeer | undefined {
    const peer = this.peers.get(id)
    if (peer === undefined || peer.memory === null || peer.isPaused) return undefined
    return this.isConnected(from, peer) && this.#isOpen(from, peer) ? peer : undefined
  }

  /** Subscribed, and reached by what `from` publishes. */
  subscribers(from: SimulatedPeer, topic: Topic): SimulatedPeer[] {
    return this.alive().filter(
      (peer) =>
        peer !== from &&
        peer.subscribes(topic) &&
        this.isConnected(from, peer) &&
        !this.#blocked.has(key(from, peer)),
    )
  }

  /** A message on a direct stream: in order, without loss while the connection lasts. */
  stream(from: SimulatedPeer, to: SimulatedPeer, deliver: () => void): void {
    if (!this.isConnected(from, to)) return
    const direction = key(from, to)
    const arrive = () => {
      const { now } = this.clock
      const arrivesMs = Math.max(now + this.#delayMs(from, to), this.#arrivals.get(direction) ?? 0)
      this.#arrivals.set(direction, arrivesMs)
      this.clock.after(arrivesMs - now, deliver)
    }
    if (!this.#blocked.has(direction)) return arrive()
    const held = this.#held.get(direction) ?? []
    held.push(arrive)
    this.#held.set(direction, held)
  }

  /** Delays after which a gossip message arrives: none if it is lost, two if it is doubled. */
  gossipDelaysMs(from: SimulatedPeer, to: SimulatedPeer, bytes = 0): number[] {
    if (this.model.loss > 0 && this.roll() < this.model.loss) return []
    const copies = this.model.duplication > 0 && this.roll() < this.model.duplication ? 2 : 1
    return Array.from({ length: copies }, () => this.#delayMs(from, to) + this.#bulkMs(from, to, bytes))
  }

  /** Until so many bytes are fetched: there and back, and what the rate allows. */
  fetchMs(from: SimulatedPeer, to: SimulatedPeer, bytes: number): number {
    return this.#delayMs(from, to) + this.#delayMs(to, from) + this.#bulkMs(from, to, bytes)
  }

  #bulkMs(from: SimulatedPeer, to: SimulatedPeer, bytes: number): number {
    if (bytes === 0 || this.model.bytesPerSecond === Number.POSITIVE_INFINITY) return 0
    const { now } = this.clock
    const link = key(from, to)
    const free = Math.max(now, this.#bulkFree.get(link) ?? 0) + (bytes / this.model.bytesPerSecond) * 1000
    this.#bulkFree.set(link, free)
    return free - now
  }

  #connectLater(a: SimulatedPeer, b: SimulatedPeer, inMs: number): void {
    const [memoryA, memoryB] = [a.memory, b.memory]
    this.clock.after(inMs, () => {
      if (memoryA === null || memoryB === null || a.memory !== memoryA || b.memory !== memoryB) return
      if (this.isConnected(a, b) || !this.#isOpen(a, b) || !canConnect(a, b)) return
      this.#connections.add(pair(a, b))
      this.events.connected(a, b)
      this.events.connected(b, a)
    })
  }

  #disconnect(a: SimulatedPeer, b: SimulatedPeer, inMs: number): void {
    if (!this.#connections.delete(pair(a, b))) return
    for (const direction of [key(a, b), key(b, a)]) this.#held.delete(direction)
    for (const [peer, other] of [
      [a, b],
      [b, a],
    ]) {
      const { memory } = peer
      const { id } = other
      if (memory === null) continue
      this.clock.after(inMs, () => {
        if (peer.memory === memory && !this.isConnected(peer, other)) this.events.disconnected(peer, id)
      })
    }
  }

  #isOpen(a: SimulatedPeer, b: SimulatedPeer): boolean {
    return !this.#blocked.has(key(a, b)) && !this.#blocked.has(key(b, a))
  }

  #delayMs(from: SimulatedPeer, to: SimulatedPeer): number {
    const { latencyMs, betweenMs, jitterMs } = this.model
    const least = from.device.cluster === to.device.cluster ? latencyMs : betweenMs
    return jitterMs === 0 ? least : least + jitterMs * this.roll()
  }
}

const key = (from: SimulatedPeer, to: SimulatedPeer): string => `${from.name} ${to.name}`
const pair = (a: SimulatedPeer, b: SimulatedPeer): string => (a.name < b.name ? key(a, b) : key(b, a))

/** Two peers behind address translation cannot call each other. */
const canConnect = (a: SimulatedPeer, b: SimulatedPeer): boolean =>
  a.device.behindNat !== true || b.device.behindNat !== true
