// The rows of `skein bench failover`: what the death of a leader cost, from what its peers recorded.
import { z } from 'zod'
import { type RecordOf, type RunRecord, recordsOf, timeOf } from '../faults/records.js'
import { judge } from '../faults/verdict.js'
import { median } from '../outer/statistics.js'
import type { LeaderKill } from './failover-kills.js'
import { mean } from './mean.js'
import { reportSchema } from './report.js'

const ms = z.number().nonnegative()
const wholeNumber = z.number().int().nonnegative()

export const failoverRowSchema = z.strictObject({
  killedAt: z.string().describe('ISO.'),
  killed: z.string(),
  electedMs: ms.describe('From SIGKILL until the first entry of a new leader is committed.'),
  nextVersionMs: ms.describe('From SIGKILL until a version that is new is applied anywhere.'),
  beyondMs: ms.describe('Of that, what the usual wait for a version does not explain.'),
  contributionsLost: wholeNumber.describe(
    'Made around this kill, and never applied though not open at the end.',
  ),
  unequalDigests: wholeNumber.describe('Versions of this time that two peers made differently.'),
  trainingLost: z
    .number()
    .describe(
      'Share of the time until the new version that the others did not train, beyond the usual share.',
    ),
})
export type FailoverRow = z.infer<typeof failoverRowSchema>

export const failoverSummarySchema = z.strictObject({
  kills: wholeNumber,
  peers: wholeNumber,
  voters: wholeNumber,
  electedMedianMs: ms,
  electedWorstMs: ms,
  medianMs: ms.describe('Of nextVersionMs.'),
  worstMs: ms,
  usualGapMs: ms.describe('Mean time from one version to the next while nobody was dead.'),
  usualRoundMs: ms.describe('Median time of a round, from its assignment to its contribution.'),
  medianBeyondMs: ms.describe('Of beyondMs: nextVersionMs less usualGapMs, at least 0.'),
  worstBeyondMs: ms,
  lost: wholeNumber,
  unequal: wholeNumber,
  trainingLost: z.number().describe('Mean of the rows.'),
  brokenPromises: z.array(z.string()),
})
export type FailoverSummary = z.infer<typeof failoverSummarySchema>

export const failoverReportSchema = reportSchema('failover', failoverRowSchema).extend({
  summary: failoverSummarySchema,
})

/** What the rows are made of, looked up once. */
interface History {
  readonly records: readonly RunRecord[]
  readonly applied: readonly (RecordOf<'applied'> & { readonly ms: number })[]
  readonly steps: readonly (RecordOf<'step-loss'> & { readonly endMs: number })[]
  /** When contributions were made that came to nothing. */
  readonly lostMs: readonly number[]
  readonly unequalMs: readonly number[]
  readonly workers: readonly string[]
}

/** @param kills in order of time; one whose consequences are not recorded to the end has no row */
export function failoverRows(records: readonly RunRecord[], kills: readonly LeaderKill[]): FailoverRow[] {
  const history = historyOf(records)
  return kills.flatMap((kill, number) => rowOf(history, kills, kill, number) ?? [])
}

export function failoverSummary(
  records: readonly RunRecord[],
  kills: readonly LeaderKill[],
  rows: readonly FailoverRow[],
): FailoverSummary {
  const history = historyOf(records)
  const of = (value: (row: FailoverRow) => number) => rows.map(value)
  const worst = (values: readonly number[]) => Math.max(0, ...values)
  const gaps = kills.map((kill) => usualGapMs(history, kill))
  const broken = judge(records).checked.filter((checked) => checked.broken.length > 0)
  return {
    kills: rows.length,
    peers: history.workers.length,
    voters: recordsOf(records, 'voters').at(-1)?.voters.length ?? 1,
    electedMedianMs: median(of(({ electedMs }) => electedMs)),
    electedWorstMs: worst(of(({ electedMs }) => electedMs)),
    medianMs: median(of(({ nextVersionMs }) => nextVersionMs)),
    worstMs: worst(of(({ nextVersionMs }) => nextVersionMs)),
    usualGapMs: mean(gaps),
    usualRoundMs: median(roundsMs(records)),
    medianBeyondMs: median(of(({ beyondMs }) => beyondMs)),
    worstBeyondMs: worst(of(({ beyondMs }) => beyondMs)),
    lost: history.lostMs.length,
    unequal: history.unequalMs.length,
    trainingLost: mean(of(({ trainingLost }) => trainingLost)),
    brokenPromises: broken.flatMap((checked) => checked.broken),
  }
}

function rowOf(
  history: History,
  kills: readonly LeaderKill[],
  kill: LeaderKill,
  number: number,
): FailoverRow | null {
  const { atMs, peer, term, calmSinceMs } = kill
  const elected = recordsOf(history.records, 'leader').find(
    (record) => record.term > term && timeOf(record) >= atMs,
  )
  const reached = versionAt(history, atMs)
  const next = history.applied.find((record) => record.version > reached && record.ms >= atMs)
  if (elected === undefined || next === undefined) return null
  const nextVersionMs = next.ms - atMs
  const others = history.workers.filter((worker) => worker !== peer)
  const idle = (from: number, to: number) =>
    mean(others.map((worker) => 1 - trainedShare(history, worker, from, to)))
  const nearest = (times: readonly number[]) =>
    times.filter((time) => nearestKill(kills, time) === number).length
  return {
    killedAt: new Date(atMs).toISOString(),
    killed: peer,
    electedMs: timeOf(elected) - atMs,
    nextVersionMs,
    beyondMs: Math.max(0, nextVersionMs - usualGapMs(history, kill)),
    contributionsLost: nearest(history.lostMs),
    unequalDigests: nearest(history.unequalMs),
    trainingLost: idle(atMs, next.ms) - idle(calmSinceMs, atMs),
  }
}

function historyOf(records: readonly RunRecord[]): History {
  const applied = recordsOf(records, 'applied').map((record) => ({ ...record, ms: timeOf(record) }))
  applied.sort((a, b) => a.ms - b.ms)
  const steps = recordsOf(records, 'step-loss').map((record) => ({ ...record, endMs: timeOf(record) }))
  return {
    records,
    applied,
    steps,
    lostMs: lostContributions(records),
    unequalMs: unequalVersions(records),
    workers: [...new Set(recordsOf(records, 'step-loss').map(({ peer }) => peer))],
  }
}

/** Highest version that anybody had before this moment. */
function versionAt({ records }: History, atMs: number): number {
  return records.reduce((most, record) => {
    if (record.type !== 'applied' && record.type !== 'digest') return most
    return timeOf(record) < atMs ? Math.max(most, record.version) : most
  }, 0)
}

/** Mean wait for a version while nobody was dead: what the next one would have taken had nobody died. */
function usualGapMs({ applied }: History, { calmSinceMs, atMs }: LeaderKill): number {
  const versions = new Set(
    applied.flatMap(({ ms: at, version }) => (at > calmSinceMs && at <= atMs ? [version] : [])),
  )
  return versions.size === 0 ? 0 : (atMs - calmSinceMs) / versions.size
}

function trainedShare({ steps }: History, worker: string, fromMs: number, toMs: number): number {
  if (toMs <= fromMs) return 0
  let trainedMs = 0
  for (const { peer, endMs, ms: tookMs } of steps) {
    if (peer !== worker) continue
    trainedMs += Math.max(0, Math.min(endMs, toMs) - Math.max(endMs - tookMs, fromMs))
  }
  return Math.min(1, trainedMs / (toMs - fromMs))
}

/** When contributions were made that were refused, expired or forgotten; the newest of a worker may still be open. */
function lostContributions(records: readonly RunRecord[]): number[] {
  const applied = new Set(recordsOf(records, 'applied').map(({ assignment }) => assignment))
  const newest = new Map(recordsOf(records, 'contributed').map(({ peer, assignment }) => [peer, assignment]))
  const expired = new Set(recordsOf(records, 'expired').map(({ assignment }) => assignment))
  return recordsOf(records, 'contributed').flatMap((record) => {
    const { peer, assignment } = record
    const isOpen = newest.get(peer) === assignment && !expired.has(assignment)
    return applied.has(assignment) || isOpen ? [] : [timeOf(record)]
  })
}

function unequalVersions(records: readonly RunRecord[]): number[] {
  const first = new Map<number, string>()
  const unequal = new Map<number, number>()
  for (const record of recordsOf(records, 'digest')) {
    const digest = first.get(record.version) ?? record.digest
    first.set(record.version, digest)
    if (digest !== record.digest && !unequal.has(record.version)) unequal.set(record.version, timeOf(record))
  }
  return [...unequal.values()]
}

/** From a round's assignment to its contribution. */
function roundsMs(records: readonly RunRecord[]): number[] {
  const given = new Map(recordsOf(records, 'assigned').map((record) => [record.assignment, timeOf(record)]))
  return recordsOf(records, 'contributed').flatMap((record) => {
    const at = given.get(record.assignment)
    return at === undefined || at > timeOf(record) ? [] : [timeOf(record) - at]
  })
}

function nearestKill(kills: readonly LeaderKill[], atMs: number): number {
  const distances = kills.map((kill) => Math.abs(kill.atMs - atMs))
  return distances.indexOf(Math.min(...distances))
}
