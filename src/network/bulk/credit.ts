// How much a receiver asks of one donor at a time: requests are the credits of a bulk transfer. The window follows the
// measured rate, so that the donor always has something to send and never much.

/** What a donor brings in 200 ms, twice, so that it can still grow where nothing holds it back. */
const WINDOW_SECONDS = 0.4
/** At most what a full-speed loopback needs, at least two of the smallest chunks, at first a little more. */
export const WINDOW_BYTES = { least: 512 * 1024, first: 1024 * 1024, most: 16 * 1024 * 1024 } as const
/** A rate is measured over at least so long, or noise would be taken for speed. */
const MEASURE_MS = 50
/** A donor that brings nothing for so many windows' time is given up, within these bounds. */
const PATIENCE = { windows: 10, leastMs: 10_000, mostMs: 60_000 } as const

export class Window {
  #bytes = 0
  #outstanding = 0
  #sinceMs = 0
  #lastMs = 0
  #bytesPerSecond: number | null = null

  constructor(private readonly nowMs: () => number) {}

  /** Bytes that were asked for and have not come. */
  get outstanding(): number {
    return this.#outstanding
  }

  get size(): number {
    if (this.#bytesPerSecond === null) return WINDOW_BYTES.first
    const fitting = Math.ceil(this.#bytesPerSecond * WINDOW_SECONDS)
    return Math.min(WINDOW_BYTES.most, Math.max(WINDOW_BYTES.least, fitting))
  }

  /** Whether something more may be asked for. */
  get hasRoom(): boolean {
    return this.#outstanding < this.size
  }

  asked(bytes: number): void {
    // The time in which nothing was asked for says nothing of the rate.
    if (this.#outstanding === 0) {
      this.#sinceMs = this.#lastMs = this.nowMs()
      this.#bytes = 0
    }
    this.#outstanding += bytes
  }

  received(bytes: number): void {
    this.#outstanding -= bytes
    this.#bytes += bytes
    this.#lastMs = this.nowMs()
    const elapsedMs = this.#lastMs - this.#sinceMs
    if (elapsedMs < MEASURE_MS) return
    this.#bytesPerSecond = (this.#bytes / elapsedMs) * 1000
    this.#bytes = 0
    this.#sinceMs = this.#lastMs
  }

  /** What was asked for is not wanted any more. */
  withdrawn(bytes: number): void {
    this.#outstanding = Math.max(0, this.#outstanding - bytes)
  }

  /** Bytes per second; less than was measured once nothing came for longer than a chunk takes; null while unknown. */
  rate(chunkBytes: number): number | null {
    if (this.#bytesPerSecond === null) return null
    if (this.#outstanding === 0) return this.#bytesPerSecond
    const silentMs = Math.max(1, this.nowMs() - this.#lastMs)
    return Math.min(this.#bytesPerSecond, (chunkBytes / silentMs) * 1000)
  }

  /** How long to wait for the next bytes, ms. */
  get patienceMs(): number {
    const { windows, leastMs, mostMs } = PATIENCE
    if (this.#bytesPerSecond === null) return leastMs
    return Math.min(mostMs, Math.max(leastMs, windows * (this.size / this.#bytesPerSecond) * 1000))
  }
}
