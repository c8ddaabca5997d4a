// What earlier sessions of a run wrote down, so that a resumed run is shown with its whole curve.
import { createReadStream, existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { EventRecord } from '../core/reports.js'
import { afterRecord, beforeResuming, type SwarmState } from '../observe/swarm-view.js'
import { runPaths } from '../store/run-paths.js'

// Only these add up over sessions; looking for them in the text spares parsing every step of a long run.
const lasting = /"type":"(applied|validated)"/

/** The state after the lasting records of a run folder; `state` itself where there are none. */
export async function withEarlierEvents(state: SwarmState, folder: string): Promise<SwarmState> {
  const { events } = runPaths(folder)
  if (!existsSync(events)) return state
  let reached = state
  for await (const line of createInterface({ input: createReadStream(events) })) {
    const record = lasting.test(line) ? parsed(line) : null
    if (record !== null) reached = afterRecord(reached, record)
  }
  return beforeResuming(reached)
}

/** A line cut short by a crash is no record. */
function parsed(line: string): EventRecord | null {
  try {
    return JSON.parse(line) as EventRecord
  } catch {
    return null
  }
}
