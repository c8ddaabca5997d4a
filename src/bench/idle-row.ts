// The rows of `skein bench idle`: what a swarm without work sends.
import { z } from 'zod'
import { type RunRecord, recordsOf, timeOf } from '../faults/records.js'
import { mean } from './mean.js'
import { reportSchema } from './report.js'

const amount = z.number().nonnegative()

export const idleRowSchema = z.strictObject({
  peer: z.string(),
  seconds: amount.describe('Of its whole life.'),
  controlBytesPerSecond: amount.describe('Sent as control messages, over its whole life.'),
  gossipBytesPerSecond: amount,
  idleSeconds: amount.describe('Measured once everybody had joined.'),
  sentBytesPerSecond: amount.describe('Of all kinds, in that time.'),
})
export type IdleRow = z.infer<typeof idleRowSchema>

export const idleSummarySchema = z.strictObject({
  peers: z.number().int().nonnegative(),
  controlBytesPerSecond: amount.describe('Mean of the peers.'),
  sentBytesPerSecond: amount.describe('Mean of the peers, of all kinds.'),
  leaderChanges: z.number().int().nonnegative(),
})
export type IdleSummary = z.infer<typeof idleSummarySchema>

export const idleReportSchema = reportSchema('idle', idleRowSchema).extend({ summary: idleSummarySchema })

/** @param sinceMs from when on the swarm was complete, ms since 1970 */
export function idleRows(records: readonly RunRecord[], sinceMs: number): IdleRow[] {
  return recordsOf(records, 'peer-finished').map((account) => {
    const { peer, bytesSent } = account
    const own = records.filter((record) => record.peer === peer)
    const began = Math.min(...recordsOf(own, 'listening').map(timeOf))
    const seconds = Math.max(1, (timeOf(account) - began) / 1000)
    const statuses = recordsOf(own, 'status').filter((record) => timeOf(record) >= sinceMs)
    const [first, last] = [statuses[0], statuses.at(-1)]
    const idleSeconds = first === undefined || last === undefined ? 0 : (timeOf(last) - timeOf(first)) / 1000
    const sent = first === undefined || last === undefined ? 0 : last.bytesSent - first.bytesSent
    return {
      peer,
      seconds,
      controlBytesPerSecond: (bytesSent.control ?? 0) / seconds,
      gossipBytesPerSecond: (bytesSent.gossip ?? 0) / seconds,
      idleSeconds,
      sentBytesPerSecond: idleSeconds === 0 ? 0 : sent / idleSeconds,
    }
  })
}

export function idleSummary(records: readonly RunRecord[], rows: readonly IdleRow[]): IdleSummary {
  const terms = new Set(recordsOf(records, 'leader').map(({ term }) => term))
  return {
    peers: rows.length,
    controlBytesPerSecond: mean(rows.map((row) => row.controlBytesPerSecond)),
    sentBytesPerSecond: mean(rows.map((row) => row.sentBytesPerSecond)),
    leaderChanges: Math.max(0, terms.size - 1),
  }
}
