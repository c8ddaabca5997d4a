// A slower device, emulated: each step takes `slowdown` times as long as a step usually takes here. The device is
// slower, not more restless: what disturbs a single step is taken from its sleep, as far as that goes.

/** Steps whose median is the usual time; a machine whose load changes is followed within a round or two. */
const REMEMBERED_STEPS = 15

export class Pace {
  readonly #recentMs: number[] = []
  #dueAt = 0

  constructor(private readonly slowdown: number) {}

  /** A round begins. */
  begin(at: number): void {
    this.#dueAt = at
  }

  /** How long to sleep, in ms, after a step that took `ownMs` and ended at `at`. */
  sleepMs(ownMs: number, at: number): number {
    this.#recentMs.push(ownMs)
    if (this.#recentMs.length > REMEMBERED_STEPS) this.#recentMs.shift()
    this.#dueAt += this.slowdown * this.#usualMs
    return this.slowdown === 1 ? 0 : Math.max(0, this.#dueAt - at)
  }

  get #usualMs(): number {
    const sorted = [...this.#recentMs].sort((a, b) => a - b)
    return sorted[sorted.length >> 1]
  }
}
