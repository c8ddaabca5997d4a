// Credits of a bulk transfer: the receiver allows bytes, the donor spends them.

/** On the donor's side: what may still be sent. */
export class Allowance {
  #bytes: number
  #ended = false
  #waiting: (() => void) | null = null

  constructor(bytes: number) {
    this.#bytes = bytes
  }

  add(bytes: number): void {
    this.#bytes += bytes
    this.#waiting?.()
  }

  /** The receiver is gone: nothing more will be allowed. */
  end(): void {
    this.#ended = true
    this.#waiting?.()
  }

  /** Spends up to `most` bytes once any are allowed; 0 when no more ever will be. */
  async take(most: number): Promise<number> {
    while (this.#bytes === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve
      })
    }
    if (this.#ended) return 0
    const taken = Math.min(most, this.#bytes)
    this.#bytes -= taken
    return taken
  }
}

/** The window follows the measured rate: two times what 200 ms bring, so that it can still grow. */
const WINDOW_SECONDS = 0.4
/** At most what a full-speed loopback needs, at least one frame, at first in between. */
export const WINDOW_BYTES = { least: 256 * 1024, first: 1024 * 1024, most: 8 * 1024 * 1024 } as const
/** A rate is measured over at least so long, or noise would be taken for speed. */
const MEASURE_MS = 50

/** On the receiver's side: how much to allow, from how fast it comes. */
export class Window {
  #size: number = WINDOW_BYTES.first
  #outstanding: number = WINDOW_BYTES.first
  #measured = 0
  #sinceMs: number
  #bytesPerSecond: number | null = null

  constructor(private readonly nowMs: () => number) {
    this.#sinceMs = nowMs()
  }

  /** Bytes allowed by the request itself. */
  get first(): number {
    return WINDOW_BYTES.first
  }

  /** Bytes that may arrive before anything else is allowed. */
  get outstanding(): number {
    return this.#outstanding
  }

  /** Takes note of received bytes; returns how many more to allow now, 0 for none. */
  received(bytes: number): number {
    this.#outstanding -= bytes
    this.#measure(bytes)
    const credit = this.#size - this.#outstanding
    // Credits in quarters of a window: a message for every frame would cost more than it gains.
    if (credit < this.#size / 4) return 0
    this.#outstanding += credit
    return credit
  }

  /**
   * How long to wait for the next frame, ms: ten times what a window takes at the measured rate, within
   * 10 s (an overloaded donor) and 60 s (a very slow link).
   */
  get patienceMs(): number {
    if (this.#bytesPerSecond === null) return 10_000
    const windowMs = (this.#size / this.#bytesPerSecond) * 1000
    return Math.min(60_000, Math.max(10_000, 10 * windowMs))
  }

  #measure(bytes: number): void {
    this.#measured += bytes
    const elapsedMs = this.nowMs() - this.#sinceMs
    if (elapsedMs < MEASURE_MS) return
    this.#bytesPerSecond = (this.#measured / elapsedMs) * 1000
    this.#measured = 0
    this.#sinceMs += elapsedMs
    const fitting = Math.ceil(this.#bytesPerSecond * WINDOW_SECONDS)
    this.#size = Math.min(WINDOW_BYTES.most, Math.max(WINDOW_BYTES.least, fitting))
  }
}
