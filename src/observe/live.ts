// The live view: redraws one frame in place on a terminal.
import { createLogUpdate } from 'log-update'
import type { RunRecord } from '../faults/records.js'
import { faultLine } from './fault-line.js'
import { frameLines } from './frame.js'
import { joinHint } from './join-hint.js'
import { type SwarmState, unseenSwarm } from './swarm-view.js'
import type { Colors, View } from './view.js'

// Ten frames a second look fluent; more would only cost the training its share of the processor.
const FRAME_MS = 100

/** Draws on `stream` until `close`, which leaves the last frame standing and brings the cursor back. */
export class LiveView implements View {
  readonly #draw: ReturnType<typeof createLogUpdate>
  readonly #notes: string[] = []
  #state: SwarmState = unseenSwarm()
  #timer: NodeJS.Timeout | null = null
  #closed = false
  #hinted = false

  constructor(
    readonly stream: NodeJS.WriteStream,
    readonly colors: Colors,
  ) {
    this.#draw = createLogUpdate(stream)
    stream.on('resize', this.#later)
  }

  record(state: SwarmState, record: RunRecord): void {
    this.#state = state
    if (record.type === 'warning') this.#notes.push(`${record.peer}: ${record.message}`)
    if (record.type === 'refused') this.#notes.push(`${record.peer} refused ${record.what}: ${record.reason}`)
    if (record.type === 'deposed') this.#notes.push(`${record.peer} leads no more: ${record.reason}`)
    if (record.type === 'fault') this.#notes.push(`${record.peer}: ${faultLine(record)}`)
    if (record.type === 'listening') this.#hint(record)
    this.#later()
  }

  note(text: string): void {
    this.#notes.push(text)
    this.#later()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.stream.off('resize', this.#later)
    this.#frame()
    this.#draw.done()
  }

  /** Written once above the frame, where it stays whole and can be copied. */
  #hint(record: Extract<RunRecord, { type: 'listening' }>): void {
    const hint = this.#hinted ? null : joinHint(record)
    if (hint === null) return
    this.#hinted = true
    this.#draw.clear()
    // Unwrapped: the terminal's own folding does not get into what is copied.
    this.stream.write(`${hint}\n`)
  }

  readonly #later = (): void => {
    if (this.#closed || this.#timer !== null) return
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#frame()
    }, FRAME_MS)
  }

  #frame(): void {
    // Only the latest notes are ever drawn.
    this.#notes.splice(0, Math.max(0, this.#notes.length - 3))
    const size = {
      columns: Math.max(20, this.stream.columns ?? 80),
      // The line after the frame belongs to the cursor.
      rows: Math.max(1, (this.stream.rows ?? 24) - 1),
    }
    this.#draw(frameLines(this.#state, this.#notes, size, this.colors).join('\n'))
  }
}
