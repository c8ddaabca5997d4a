// Reports calls at addresses: what is new about them, and no more than a log can take.
import type { Report } from '../core/reports.js'
import type { Attempt } from '../ports/paths.js'

/** Calls that are reported at once at most, and how often another one may be after them. */
const MOST_AT_ONCE = 32
const EVERY_MS = 10_000
/** Addresses whose last call is remembered. */
const MOST_ADDRESSES = 256

export class CallReports {
  readonly #last = new Map<string, string>()
  #room = MOST_AT_ONCE
  #sinceMs: number

  constructor(
    private readonly report: (report: Report) => void,
    private readonly nowMs: () => number,
  ) {
    this.#sinceMs = nowMs()
  }

  heard({ peer, ...attempt }: Attempt): void {
    const { address, outcome, reason } = attempt
    const ending = `${outcome} ${reason}`
    if (this.#last.get(address) === ending || !this.#hasRoom()) return
    // Newest last.
    this.#last.delete(address)
    this.#last.set(address, ending)
    if (this.#last.size > MOST_ADDRESSES) this.#last.delete(this.#last.keys().next().value as string)
    this.report({ type: 'called', of: peer, ...attempt })
  }

  #hasRoom(): boolean {
    const regained = Math.floor((this.nowMs() - this.#sinceMs) / EVERY_MS)
    this.#sinceMs += regained * EVERY_MS
    this.#room = Math.min(MOST_AT_ONCE, this.#room + regained)
    if (this.#room === 0) return false
    this.#room--
    return true
  }
}
