// Times of another machine's clock, in words.
import { CLOCK_TOLERANCE_MS } from '../wire/certificates.js'

/** Date and time to the minute, UTC. */
export const isoMinute = (ms: number): string =>
  `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`

/** What to add where two clocks differ by more than is tolerated; empty where they do not. */
export function clockWords(theirs: number, ours: number): string {
  const difference = Math.abs(theirs - ours)
  if (difference <= CLOCK_TOLERANCE_MS) return ''
  return `; its clock says ${isoMinute(theirs)} and the one here ${isoMinute(ours)}, they differ by ${lengthWords(difference)}`
}

function lengthWords(ms: number): string {
  const minutes = Math.round(ms / 60_000)
  if (minutes < 120) return `${minutes} min`
  return minutes < 48 * 60 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / (24 * 60))} days`
}
