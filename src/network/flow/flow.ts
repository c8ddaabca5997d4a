// What flows between this peer and others: every stream is metered, which counts its bytes, keeps them within the budget
// and takes them over the emulated links.
import type { Connection } from '@libp2p/interface'
import type { PeerId } from '../../core/ids.js'
import type { Traffic } from '../../ports/mesh.js'
import type { LinkConfig } from '../../swarmfile/schema.js'
import { Budget, type Caps } from './budget.js'
import { Links } from './links.js'
import { Meter } from './meter.js'
import { TrafficCount } from './traffic.js'

export interface FlowOptions {
  /** Links to emulate between clusters. */
  readonly links: readonly LinkConfig[]
  /** This peer's own cluster, until it settles in another. */
  readonly cluster: string
  readonly caps: Caps
  readonly connectionTo: (peer: PeerId) => Connection | undefined
  /** Called for whatever arrives: the peer is alive. */
  readonly heard: (peer: PeerId) => void
  /** Called for whatever passes, either way. */
  readonly passed: (peer: PeerId, bytes: number) => void
}

export class Flow {
  readonly links: Links
  readonly budget: Budget
  readonly meter: Meter
  readonly #traffic: TrafficCount

  constructor({ links, cluster, caps, connectionTo, heard, passed }: FlowOptions) {
    this.links = new Links(links, cluster)
    this.budget = new Budget(caps, connectionTo)
    this.#traffic = new TrafficCount((peer) => this.links.crosses(peer), passed)
    this.meter = new Meter(this.#traffic, this.links, this.budget, heard)
    this.budget.meterBy((stream, peer, purpose) => this.meter.attach(stream, peer, purpose))
  }

  traffic(): Traffic {
    return this.#traffic.snapshot()
  }

  /** Drops what waits for a peer that is gone. */
  forget(peer: PeerId): void {
    this.links.forget(peer)
    this.budget.forget(peer)
  }
}
