// Bytes under way to one peer, and how many may be: what it takes in 200 ms at the rate that was measured. Pure: times are
// given. Where bytes are is known by soundings, small frames that follow the bytes and come back at once: what was sent
// before one has arrived when it is back. A message that control sends then waits behind no more than the budget.

/** What may be under way, in time. A path that takes longer there and back is never full with less. */
const BUDGET_SECONDS = 0.2
const OF_ROUND_TRIP = 1.5
/** At least so much, of a slow or unknown path: what 200 ms of a 10 Mbit/s line carry. */
export const LEAST_BUDGET_BYTES = 256 * 1024
/** A rate is measured over at least so long, or noise would be taken for speed. */
const SAMPLE_MS = 50
/** The rate is the best of so many samples: one in which the sender had nothing to send says little. */
const SAMPLES = 8
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
  #sampleFrom: Sounding | null = null
  readonly #soundings: Sounding[] = []

  /** Bytes that have been sent, and are not known to have arrived. */
  get inFlight(): number {
    return this.#sent - this.#arrived
  }

  /** Bytes per second that the peer took; null before it was measured. */
  get rate(): number | null {
    return this.#rates.length === 0 ? null : Math.max(...this.#rates)
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
    this.#sample({ position: sounding.position, sentMs: nowMs })
  }

  /** Between two returns of soundings the path was busy, so that the bytes between them tell its rate. */
  #sample(here: Sounding): void {
    const from = this.#sampleFrom
    const elapsedMs = from === null ? 0 : here.sentMs - from.sentMs
    if (from === null || elapsedMs >= SAMPLE_MS) {
      if (from !== null) {
        this.#rates = [...this.#rates, ((here.position - from.position) / elapsedMs) * 1000].slice(-SAMPLES)
      }
      this.#sampleFrom = here
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
