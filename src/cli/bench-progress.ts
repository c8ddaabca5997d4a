// Says how far a bench is: a line that is drawn over at a terminal, a line per row elsewhere.
import type { Watcher } from '../bench/engine-bench.js'
import type { Subject } from '../bench/engine-row.js'
import { clean, cut, duration } from '../observe/format.js'
import type { Screen } from '../observe/view.js'

const BAR_LENGTH = 20
const USUAL_COLUMNS = 100

export class BenchProgress implements Watcher {
  readonly #live: boolean
  #row = ''

  /** @param screen null for silence */
  constructor(private readonly screen: Screen | null) {
    this.#live = screen?.isTTY === true
    this.#draw('looking for engines')
  }

  readonly found = (engine: string, reason: string): void => {
    this.#print(`${engine}: ${clean(reason)}`)
  }

  readonly began = ({ engine, size, threads }: Subject, row: number, rows: number): void => {
    const withThreads = `${threads} thread${threads === 1 ? '' : 's'}`
    this.#row = `${row} of ${rows}: ${engine}, size ${size.name}, ${withThreads}`
    if (this.#live) this.#draw(`${this.#row}  warming up`)
    else this.#print(this.#row)
  }

  readonly progressed = (share: number, leftMs: number): void => {
    const full = Math.round(share * BAR_LENGTH)
    const bar = '█'.repeat(full) + '░'.repeat(BAR_LENGTH - full)
    this.#draw(`${this.#row}  ${bar} ${duration(leftMs)} left`)
  }

  close(): void {
    this.#draw('')
  }

  #print(text: string): void {
    this.#draw('')
    this.screen?.write(`${text}\n`)
  }

  #draw(text: string): void {
    if (!this.#live) return
    this.screen?.write(`\r\u001b[2K${cut(text, (this.screen.columns ?? USUAL_COLUMNS) - 1)}`)
  }
}
