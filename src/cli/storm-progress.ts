// Says how far the storms are: a bar with the time left at a terminal, elsewhere that they have begun.
import { cut, duration } from '../observe/format.js'
import type { Screen } from '../observe/view.js'
import type { StormResult } from '../simulate/storm.js'

const BAR_LENGTH = 20
const USUAL_COLUMNS = 100
/** A person sees no more than that. */
const LEAST_BETWEEN_MS = 100

export class StormProgress {
  readonly #live: boolean
  readonly #began = performance.now()
  #drawnAt = Number.NEGATIVE_INFINITY
  #done = 0
  #broken = 0

  /** @param screen null for silence */
  constructor(
    private readonly screen: Screen | null,
    first: number,
    private readonly seeds: number,
  ) {
    this.#live = screen?.isTTY === true
    if (this.#live) this.#draw(`0 of ${seeds} storms`)
    else screen?.write(`${seeds} storms from seed ${first}\n`)
  }

  readonly over = ({ broken }: StormResult): void => {
    this.#done++
    if (broken !== null) this.#broken++
    const now = performance.now()
    if (now - this.#drawnAt < LEAST_BETWEEN_MS) return
    this.#drawnAt = now
    const share = this.#done / this.seeds
    const full = Math.round(share * BAR_LENGTH)
    const bar = '█'.repeat(full) + '░'.repeat(BAR_LENGTH - full)
    const left = duration(((now - this.#began) / share) * (1 - share))
    const bad = this.#broken === 0 ? '' : `, ${this.#broken} broken`
    this.#draw(`${this.#done} of ${this.seeds} storms${bad}  ${bar} ${left} left`)
  }

  close(): void {
    this.#draw('')
  }

  #draw(text: string): void {
    if (!this.#live) return
    this.screen?.write(`\r\u001b[2K${cut(text, (this.screen.columns ?? USUAL_COLUMNS) - 1)}`)
  }
}
