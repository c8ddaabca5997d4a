// What a relay passes on for others: bytes per second, shared by all of them.

/** What may be spent at once: at a quarter of a second nobody waits long behind a burst. */
const BURST_SECONDS = 0.25

export class RelayBudget {
  #spendable: number
  #atMs: number

  constructor(
    readonly bytesPerSecond: number,
    private readonly nowMs: () => number,
  ) {
    this.#spendable = bytesPerSecond * BURST_SECONDS
    this.#atMs = nowMs()
  }

  /** Takes bytes that pass in any case; how long to wait before the next, in ms. */
  take(bytes: number): number {
    const nowMs = this.nowMs()
    const earned = ((nowMs - this.#atMs) / 1000) * this.bytesPerSecond
    this.#spendable = Math.min(this.bytesPerSecond * BURST_SECONDS, this.#spendable + earned) - bytes
    this.#atMs = nowMs
    return this.#spendable >= 0 ? 0 : (-this.#spendable / this.bytesPerSecond) * 1000
  }
}
