// The virtual network: who reaches whom, how long each message takes, and whether it is lost or comes twice.
import type { PeerId } from '../core/ids.js'
import type { Topic } from '../core/messages.js'
import { uniform } from '../outer/random.js'
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
}

export const quietNetwork: NetworkModel = {
  latencyMs: 1,
  betweenMs: 20,
  jitterMs: 0,
  loss: 0,
  duplication: 0,
}

export class VirtualNetwork {
  readonly #cut = new Set<SimulatedPeer>()
  /** When the latest message on each direct stream arrives: the next one does not overtake it. */
  readonly #arrivals = new Map<string, number>()
  #draws = 0

  constructor(
    readonly model: NetworkModel,
    private readonly seed: number,
    private readonly peers: ReadonlyMap<PeerId, SimulatedPeer>,
  ) {}

  running(): SimulatedPeer[] {
    return [...this.peers.values()].filter((peer) => peer.running)
  }

  /** Nothing gets from or to this peer any more; what is on its way already arrives. */
  cut(peer: SimulatedPeer): void {
    this.#cut.add(peer)
  }

  /** False if it was not cut. */
  mend(peer: SimulatedPeer): boolean {
    return this.#cut.delete(peer)
  }

  reaches(a: SimulatedPeer, b: SimulatedPeer): boolean {
    return !this.#cut.has(a) && !this.#cut.has(b)
  }

  /** The peer of this id, if its process is alive and within reach; it may have ended its part of the run. */
  reachable(from: SimulatedPeer, id: PeerId): SimulatedPeer | undefined {
    const peer = this.peers.get(id)
    return peer?.memory != null && this.reaches(from, peer) ? peer : undefined
  }

  subscribers(from: SimulatedPeer, topic: Topic): SimulatedPeer[] {
    return this.running().filter(
      (peer) => peer !== from && peer.subscribes(topic) && this.reaches(from, peer),
    )
  }

  /** How long a message on a direct stream takes that is sent now; streams lose nothing and keep the order. */
  streamDelayMs(from: SimulatedPeer, to: SimulatedPeer, nowMs: number): number {
    const stream = `${from.id} ${to.id}`
    const arrivesMs = Math.max(nowMs + this.#delayMs(from, to), this.#arrivals.get(stream) ?? 0)
    this.#arrivals.set(stream, arrivesMs)
    return arrivesMs - nowMs
  }

  /** Delays after which a gossip message arrives: none if it is lost, two if it is doubled. */
  gossipDelaysMs(from: SimulatedPeer, to: SimulatedPeer): number[] {
    if (this.#roll() < this.model.loss) return []
    const copies = this.#roll() < this.model.duplication ? 2 : 1
    return Array.from({ length: copies }, () => this.#delayMs(from, to))
  }

  #delayMs(from: SimulatedPeer, to: SimulatedPeer): number {
    const { latencyMs, betweenMs, jitterMs } = this.model
    return (from.device.cluster === to.device.cluster ? latencyMs : betweenMs) + jitterMs * this.#roll()
  }

  /** In [0, 1); each call is a new draw. */
  #roll(): number {
    return uniform(this.seed, this.#draws++)
  }
}
