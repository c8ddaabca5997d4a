// A storm once more, as text: for a person who wants to know how a promise came to be broken.
import type { PeerId } from '../core/ids.js'
import { type StormResult, storm } from './storm.js'
import type { TraceLine } from './swarm.js'
import { transcript } from './transcript.js'

export interface Replay {
  readonly result: StormResult
  /** What happened, without routine; all of it, in order. */
  readonly text: string
  /** The last of what concerned the peers that the broken promise names, or all of them where it names none. */
  readonly end: string
}

/** Events with what came of them: as many as a person reads. */
const eventsAtEnd = 25

export function replay(seed: number): Replay {
  const lines: TraceLine[] = []
  const result = storm(seed, (line) => lines.push(line))
  const named = new Set(result.broken?.match(/peer-\d+/g))
  const concerned = named.size === 0 ? lines : lines.filter(({ peer }) => named.has(peer))
  return { result, text: textOf(lines), end: lastEvents(textOf(concerned)) }
}

const textOf = (lines: readonly TraceLine[]): string => transcript(lines, { nameOf })

/** Ids of simulated peers are their names with a mark for each life. */
const nameOf = (id: PeerId): string => id.replace(/^id-/, '')

function lastEvents(text: string): string {
  const events = text.trimEnd().split(/\n(?! {7})/)
  return `${events.slice(-eventsAtEnd).join('\n')}\n`
}
