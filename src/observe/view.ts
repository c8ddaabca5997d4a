// What every way of showing a run has in common.
import pc from 'picocolors'
import type { RunRecord } from '../faults/records.js'
import type { SwarmState } from './swarm-view.js'

/** Shows one stream of records; the state is what they add up to, the record the latest of them. */
export interface View {
  record(state: SwarmState, record: RunRecord): void
  /** Says something that no peer reports, such as the death of a process. */
  note(text: string): void
  /** Shows what is still held back and leaves the terminal as it was. */
  close(): void
}

export type Colors = ReturnType<typeof pc.createColors>

/** The part of a writable stream that views need. */
export interface Screen {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
}

/** Colours where a person looks on: a terminal that has them, and no NO_COLOR (https://no-color.org). */
export function colorsFor(screen: Screen, env: NodeJS.ProcessEnv): Colors {
  const wanted = screen.isTTY === true && env.TERM !== 'dumb' && !env.NO_COLOR
  return pc.createColors(wanted)
}
