// Bytes under way to one peer, and how many may be: what it takes in 200 ms at the rate that was measured. Pure: times are
// given. Where bytes are is known by soundings, small frames that follow the bytes and come back at once: what was sent
// before one has arrived when it is back. A message that control sends then waits behind no more than the budget.

/** What may be under way, in time. A path that takes longer there and back is never full with less. */
const BUDGET_SECONDS = 0.2
const OF_ROUND_TRIP = 1.5
/** At least so much, of a slow or unknown path: what 200 ms of a 10 Mbit/s line carry. */
export const LEAST_BUDGET_BYTES = 256 * 1024
/** A rate is measured over at least so long, or noise would be taken for speed. */
const SAMPLE_MS = 100
/** The rate is the second best of so many samples: one with nothing to send says little, and one may be chance. */
const SAMPLES = 8
/** Soundings back within so little of each other came together, held up by something else than the path. */
const TOGETHER_MS = 5
/** A sounding follows this share of the budget, so that several are under way. */
const SOUNDING_SHARE = 1 / 8
const MOST_SOUNDINGS = 64

interface Sounding {
  /** Bytes sent before it. */
  readonly position: number
  readonly sentMs: number
}

export class Flight {
  #sent = 0
  #arrived = 0
  #sounded = 0
  #roundTripMs = Number.POSITIVE_INFINITY
  #rates: number[] = []
  #sampleFrom: { position: number; atMs: number; readonly firstMs: number } | null = null
  readonly #soundings: Sounding[] = []

  /** Bytes that have been sent, and are not known to have arrived. */
  get inFlight(): number {
    return this.#sent - this.#arrived
  }

  /** Bytes per second that the peer took; null before it was measured. */
  get rate(): number | null {
    if (this.#rates.length === 0) return null
    const best = [...this.#rates].sort((a, b) => b - a)
    return best[Math.min(1, best.length - 1)]
  }

  /** The shortest time there and back, ms; infinite before the first. */
  get roundTripMs(): number {
    return this.#roundTripMs
  }

  get budget(): number {
    const rate = this.rate
    if (rate === null) return LEAST_BUDGET_BYTES
    const roundTrip = Number.isFinite(this.#roundTripMs) ? this.#roundTripMs / 1000 : 0
    return Math.max(LEAST_BUDGET_BYTES, rate * Math.max(BUDGET_SECONDS, OF_ROUND_TRIP * roundTrip))
  }

  get hasRoom(): boolean {
    return this.inFlight < this.budget
  }

  /** Too much is under way and nothing will tell when it has arrived: a budget that shrank may be behind its soundings. */
  get isStuck(): boolean {
    return !this.hasRoom && this.#soundings.length === 0
  }

  /** @returns whether a sounding is to follow these bytes */
  send(bytes: number): boolean {
    this.#sent += bytes
    if (this.#soundings.length >= MOST_SOUNDINGS) return false
    return this.#sent - this.#sounded >= this.budget * SOUNDING_SHARE || this.#soundings.length === 0
  }

  /** A sounding leaves. */
  sound(nowMs: number): void {
    this.#sounded = this.#sent
    this.#soundings.push({ position: this.#sent, sentMs: nowMs })
  }

  /** The oldest sounding is back. */
  back(nowMs: number): void {
    const sounding = this.#soundings.shift()
    if (sounding === undefined) return
    this.#arrived = sounding.position
    this.#roundTripMs = Math.min(this.#roundTripMs, nowMs - sounding.sentMs)
    this.#sample(sounding.position, nowMs)
  }

  /** Between two returns of soundings the path was busy, so that the bytes between them tell its rate. */
  #sample(position: number, nowMs: number): void {
    const from = this.#sampleFrom
    if (from !== null && nowMs - from.firstMs < TOGETHER_MS) {
      from.position = position
      from.atMs = nowMs
    } else if (from === null || nowMs - from.atMs >= SAMPLE_MS) {
      if (from !== null) {
        const rate = ((position - from.position) / (nowMs - from.atMs)) * 1000
        this.#rates = [...this.#rates, rate].slice(-SAMPLES)
      }
      this.#sampleFrom = { position, atMs: nowMs, firstMs: nowMs }
    }
    if (this.inFlight === 0) this.#sampleFrom = null
  }
}

/** A cap on bytes per second, with what a fifth of a second brings at once; it can be overdrawn, which is made up for. */
export class Bucket {
  #level: number
  #filledMs: number

  constructor(
    private readonly bytesPerSecond: number,
    nowMs: number,
  ) {
    this.#level = this.#most
    this.#filledMs = nowMs
  }

  take(bytes: number, nowMs: number): void {
    this.#fill(nowMs)
    this.#level -= bytes
  }

  /** Until something may be taken, ms. */
  waitMs(nowMs: number): number {
    this.#fill(nowMs)
    return this.#level > 0 ? 0 : Math.ceil(((1 - this.#level) / this.bytesPerSecond) * 1000)
  }

  get #most(): number {
    return this.bytesPerSecond * BUDGET_SECONDS
  }

  #fill(nowMs: number): void {
    const filled = this.#level + ((nowMs - this.#filledMs) / 1000) * this.bytesPerSecond
    this.#level = Math.min(this.#most, filled)
    this.#filledMs = nowMs
  }
}
