// Chooses how a run is shown here, and shows it.
import type { RunRecord } from '../faults/records.js'
import { JsonView } from '../observe/json.js'
import { LiveView } from '../observe/live.js'
import { PlainView } from '../observe/plain.js'
import { summaryLines } from '../observe/summary.js'
import { afterRecord, type SwarmState } from '../observe/swarm-view.js'
import { colorsFor, type View } from '../observe/view.js'
import type { Io } from './io.js'

export interface DisplayOptions {
  readonly json: boolean
  readonly verbose: boolean
}

/** One stream of records in; a view of them and, at the end, a summary out. */
export class Display {
  readonly #io: Io
  readonly #view: View
  readonly #json: boolean
  #state: SwarmState
  #silent = false

  constructor(io: Io, { json, verbose }: DisplayOptions, state: SwarmState) {
    this.#io = io
    this.#json = json
    this.#state = state
    this.#view = chooseView(io, json, verbose)
  }

  record(record: RunRecord): void {
    this.#state = afterRecord(this.#state, record)
    if (!this.#silent) this.#view.record(this.#state, record)
  }

  note(text: string): void {
    if (!this.#silent) this.#view.note(text)
  }

  /** Shows nothing from now on: whoever read it went away. */
  silence(): void {
    this.#silent = true
  }

  /** Ends the view without a summary. */
  close(): void {
    if (!this.#silent) this.#view.close()
    this.#silent = true
  }

  /** Whether the watched folder holds a trained model. */
  get hasCheckpoint(): boolean {
    return this.#state.checkpoint !== null
  }

  /** Ends the view with the summary, the commands to give next, and why the watched peer ended, if it did by itself. */
  summarize(folder: string, next: readonly string[], ended?: string): void {
    if (this.#silent) return
    this.close()
    if (this.#json) return
    const columns = this.#io.stdout.columns ?? 100
    const colors = colorsFor(this.#io.stdout, this.#io.env)
    const lines = summaryLines(this.#state, { columns, colors, folder, next, ended })
    this.#io.stdout.write(`${lines.join('\n')}\n`)
  }
}

/** Scripts get JSON, a person at a terminal the live view; plain lines do everywhere, and beside a log. */
function chooseView(io: Io, json: boolean, verbose: boolean): View {
  if (json) return new JsonView(io.stdout, io.stderr)
  const live = io.stdout.isTTY === true && io.env.TERM !== 'dumb' && !verbose
  return live ? new LiveView(io.stdout, colorsFor(io.stdout, io.env)) : new PlainView(io.stdout)
}
