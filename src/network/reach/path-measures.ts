// What a path carries: the most that went over it in a second of late.
import type { PeerId } from '../../core/ids.js'

/** How long the best second counts. */
const WINDOW_S = 60

interface Rate {
  second: number
  bytes: number
  /** Bytes of each second of the window that any went in. */
  readonly past: Map<number, number>
}

export class PathMeasures {
  readonly #rates = new Map<PeerId, Rate>()

  constructor(private readonly nowMs: () => number) {}

  passed(peer: PeerId, bytes: number): void {
    const second = Math.floor(this.nowMs() / 1000)
    const rate = this.#rates.get(peer) ?? { second, bytes: 0, past: new Map<number, number>() }
    this.#rates.set(peer, rate)
    if (rate.second !== second) {
      rate.past.set(rate.second, rate.bytes)
      for (const old of rate.past.keys()) if (old < second - WINDOW_S) rate.past.delete(old)
      rate.second = second
      rate.bytes = 0
    }
    rate.bytes += bytes
  }

  bytesPerSecond(peer: PeerId): number | null {
    const rate = this.#rates.get(peer)
    if (rate === undefined) return null
    const since = Math.floor(this.nowMs() / 1000) - WINDOW_S
    const past = [...rate.past].filter(([second]) => second >= since).map(([, bytes]) => bytes)
    return Math.max(...past, rate.second >= since ? rate.bytes : 0)
  }

  forget(peer: PeerId): void {
    this.#rates.delete(peer)
  }
}
