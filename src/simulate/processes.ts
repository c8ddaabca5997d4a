// What simulated peers hear of in virtual time: what was begun in a process that died meanwhile is told to nobody.
import type { NewEvent } from '../core/events.js'
import type { VirtualClock } from './clock.js'
import type { SimulatedPeer } from './peer.js'

/** Until a request has failed: short against a round. */
const failureMs = 10

export class Processes {
  constructor(
    private readonly clock: VirtualClock,
    readonly tell: (peer: SimulatedPeer, event: NewEvent) => void,
  ) {}

  /** What a peer does once something that takes time is over, unless its process died meanwhile. */
  ifAlive(peer: SimulatedPeer, act: () => void): () => void {
    const { memory } = peer
    return () => {
      if (memory !== null && peer.memory === memory) act()
    }
  }

  telling(peer: SimulatedPeer, event: NewEvent): () => void {
    return this.ifAlive(peer, () => this.tell(peer, event))
  }

  /** @returns what takes it back */
  tellAfter(peer: SimulatedPeer, delayMs: number, event: NewEvent): () => void {
    return this.clock.after(delayMs, this.telling(peer, event))
  }

  tellOfFailure(peer: SimulatedPeer, event: NewEvent): void {
    this.tellAfter(peer, failureMs, event)
  }
}
