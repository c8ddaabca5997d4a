// How badly each peer has behaved: what it sent that had to be dropped, forgiven with time.
import type { PeerId } from '../core/ids.js'

/** Time in which half an offence is forgiven: a burst counts, a flipped bit an hour does not. */
const HALF_LIFE_MS = 60_000
/** Offences at which a peer is cut off; gossipsub ignores it from 9 on (score -90, graylist -80). */
export const CUT_OFF_AT = 9.5

export class Scores {
  readonly #offences = new Map<string, { count: number; atMs: number }>()

  constructor(private readonly nowMs: () => number) {}

  /** Counts one more offence; true when the peer has to be cut off. */
  offend(peer: PeerId): boolean {
    const count = this.of(peer) + 1
    this.#offences.set(peer, { count, atMs: this.nowMs() })
    return count >= CUT_OFF_AT
  }

  /** Offences not yet forgiven. */
  of(peer: string): number {
    const record = this.#offences.get(peer)
    if (record === undefined) return 0
    const count = record.count * 0.5 ** ((this.nowMs() - record.atMs) / HALF_LIFE_MS)
    if (count >= 0.01) return count
    this.#offences.delete(peer)
    return 0
  }
}
