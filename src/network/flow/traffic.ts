// Counts application bytes by purpose, and those that crossed to or from another cluster.
import type { PeerId } from '../../core/ids.js'
import type { Purpose, Traffic } from '../../ports/mesh.js'

export class TrafficCount {
  readonly #sent: Record<Purpose, number> = { control: 0, gossip: 0, bulk: 0 }
  readonly #received: Record<Purpose, number> = { control: 0, gossip: 0, bulk: 0 }
  #interClusterSent = 0
  #interClusterReceived = 0

  constructor(
    private readonly crosses: (peer: PeerId) => boolean,
    /** Called for whatever passes, either way. */
    private readonly passed: (peer: PeerId, bytes: number) => void,
  ) {}

  sent(peer: PeerId, purpose: Purpose, bytes: number): void {
    this.#sent[purpose] += bytes
    this.passed(peer, bytes)
    if (this.crosses(peer)) this.#interClusterSent += bytes
  }

  received(peer: PeerId, purpose: Purpose, bytes: number): void {
    this.#received[purpose] += bytes
    this.passed(peer, bytes)
    if (this.crosses(peer)) this.#interClusterReceived += bytes
  }

  snapshot(): Traffic {
    return {
      sent: { ...this.#sent },
      received: { ...this.#received },
      interClusterSent: this.#interClusterSent,
      interClusterReceived: this.#interClusterReceived,
    }
  }
}
