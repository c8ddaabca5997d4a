// The JSON view: the records themselves, one to a line, for scripts.
import type { RunRecord } from '../faults/records.js'
import type { SwarmState } from './swarm-view.js'
import type { Screen, View } from './view.js'

export class JsonView implements View {
  /** Records go to `out` and nothing else does; notes go to `notes`. */
  constructor(
    readonly out: Screen,
    readonly notes: Screen,
  ) {}

  record(_state: SwarmState, record: RunRecord): void {
    this.out.write(`${JSON.stringify(record)}\n`)
  }

  note(text: string): void {
    this.notes.write(`${text}\n`)
  }

  close(): void {}
}
