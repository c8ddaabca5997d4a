// Signs of life of our own: libp2p's monitor would kill what is merely busy, and TCP notices a cut cable
// after a quarter of an hour.
import type { PeerId } from '../../core/ids.js'

/** A sign of life so often; also when a peer's gossip streams are looked after. */
const TICK_MS = 5_000
/** Silence after which a connection is given up: four signs, so that one lost in a burst does no harm. */
const SILENCE_MS = 20_000

export interface Pulses {
  peers(): readonly PeerId[]
  beat(peer: PeerId): void
  /** Gossip reaches the peer: its stream is there. */
  gossips(peer: PeerId): boolean
  drop(peer: PeerId, reason: string): void
}

export class Liveness {
  readonly #heardMs = new Map<PeerId, number>()
  readonly #mute = new Set<PeerId>()
  #timer: NodeJS.Timeout | undefined

  constructor(
    private readonly pulses: Pulses,
    private readonly nowMs: () => number,
  ) {}

  start(): void {
    this.#timer = setInterval(() => this.tick(), TICK_MS)
  }

  heard(peer: PeerId): void {
    this.#heardMs.set(peer, this.nowMs())
  }

  forget(peer: PeerId): void {
    this.#heardMs.delete(peer)
    this.#mute.delete(peer)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /** Gives a sign of life to every peer, and gives up those that gave none. */
  tick(): void {
    const nowMs = this.nowMs()
    for (const peer of this.pulses.peers()) {
      const heardMs = this.#heardMs.get(peer) ?? nowMs
      this.#heardMs.set(peer, heardMs)
      if (nowMs - heardMs > SILENCE_MS) {
        this.pulses.drop(peer, `nothing was heard of it for ${SILENCE_MS / 1000} s`)
      } else if (!this.#gossips(peer)) {
        this.pulses.drop(peer, 'its gossip stream is gone, and gossipsub opens no second one')
      } else {
        this.pulses.beat(peer)
      }
    }
  }

  /** False at the second tick without a gossip stream: one may fall between connecting and opening it. */
  #gossips(peer: PeerId): boolean {
    if (this.pulses.gossips(peer)) {
      this.#mute.delete(peer)
      return true
    }
    if (this.#mute.has(peer)) return false
    this.#mute.add(peer)
    return true
  }
}
