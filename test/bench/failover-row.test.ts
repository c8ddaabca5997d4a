// What the death of a leader cost, worked out from made records; and in which order leaders are killed.
import assert from 'node:assert/strict'
import { LeaderKills } from '../../src/bench/failover-kills.js'
import {
  failoverRowSchema,
  failoverRows,
  failoverSummary,
  failoverSummarySchema,
} from '../../src/bench/failover-row.js'
import { assignmentId, hash, peerId } from '../../src/core/ids.js'
import type { EventRecord, Report } from '../../src/core/reports.js'

const START_MS = Date.UTC(2026, 0, 1)
const at = (ms: number, peer: string, report: Report): EventRecord => ({
  time: new Date(START_MS + ms).toISOString(),
  peer,
  ...report,
})
const leads = (ms: number, peer: string, term: number) =>
  at(ms, peer, { type: 'leader', term, leader: peer, id: peerId(peer), reason: 'chosen' })
const applied = (ms: number, version: number, peer = 'a') =>
  at(ms, peer, {
    type: 'applied',
    version,
    term: 1,
    index: version,
    worker: 'b',
    assignment: assignmentId(version),
    staleness: 0,
    steps: 1,
    loss: 1,
    speed: 1,
  })
const contributed = (ms: number, number: number, peer: string) =>
  at(ms, peer, {
    type: 'contributed',
    assignment: assignmentId(number),
    bytes: 4,
    codec: 'fp32',
    norm: 1,
    loss: 1,
  })
const step = (ms: number, peer: string, took: number) =>
  at(ms, peer, {
    type: 'step-loss',
    assignment: assignmentId(1),
    version: 0,
    step: 1,
    steps: 2,
    loss: 1,
    ms: took,
  })
const digest = (ms: number, version: number, text: string) =>
  at(ms, 'b', { type: 'digest', version, digest: hash(text), stateDigest: null })
const voters = (names: readonly string[]) =>
  at(0, 'a', { type: 'voters', voters: names, next: null, reason: 'they have proved themselves' })

const kill = { atMs: START_MS + 10_000, peer: 'a', term: 1, calmSinceMs: START_MS + 6_000 }

/** Versions every second; a dies at 10 s, b leads at 10.4 s and applies the next version at 12.5 s. */
const records: readonly EventRecord[] = [
  voters(['a', 'b', 'c']),
  leads(0, 'a', 1),
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((second) => applied(1000 * second, second)),
  ...Array.from({ length: 20 }, (_, n) => step(500 * n, 'b', 500)),
  ...Array.from({ length: 20 }, (_, n) => step(500 * n, 'c', 500)),
  contributed(9_500, 10, 'b'),
  leads(10_400, 'b', 2),
  // What the dead one had applied is told again, and is no new version.
  applied(10_450, 9, 'b'),
  step(11_250, 'b', 1250),
  applied(12_500, 10, 'b'),
]

describe('A row of bench failover', () => {
  it('tells the times from the kill to the next leader and to the next version that is new', () => {
    const [row] = failoverRows(records, [kill])
    assert.equal(row.killed, 'a')
    assert.deepEqual([row.electedMs, row.nextVersionMs], [400, 2500])
    failoverRowSchema.parse(row)
  })

  it('takes off what a version usually takes while nobody is dead', () => {
    // Between 6 s and 10 s versions 7, 8 and 9 came.
    const [{ beyondMs }] = failoverRows(records, [kill])
    assert.equal(Math.round(beyondMs), Math.round(2500 - 4000 / 3))
  })

  it('tells how much less the others trained than usual', () => {
    // Usual: all the time but the last half second of four. Then b trained half of the time, c not at all.
    const [{ trainingLost }] = failoverRows(records, [kill])
    assert.ok(Math.abs(trainingLost - (0.75 - 0.125)) < 0.001, String(trainingLost))
  })

  it('counts contributions that came to nothing, and versions that came out differently, at the nearest kill', () => {
    const more = [
      ...records,
      contributed(13_000, 11, 'b'),
      contributed(14_000, 12, 'b'),
      digest(11_000, 4, 'one'),
      digest(11_500, 4, 'two'),
    ]
    const later = { ...kill, atMs: kill.atMs + 60_000, peer: 'b', term: 2 }
    const after = [leads(71_000, 'c', 3), applied(72_000, 11, 'c')]
    const rows = failoverRows([...more, ...after], [kill, later])
    assert.deepEqual(
      rows.map(({ contributionsLost, unequalDigests }) => [contributionsLost, unequalDigests]),
      [
        // a12 is the newest of b: it may still be open.
        [0, 1],
        [0, 0],
      ],
    )
    const without = [...more, ...after].filter((record) => record.type !== 'applied' || record.version !== 11)
    assert.equal(failoverRows([...without, applied(72_000, 13, 'c')], [kill, later])[0].contributionsLost, 1)
  })

  it('is left out where the run was stopped before it was over', () => {
    assert.deepEqual(failoverRows(records.slice(0, -1), [kill]), [])
  })

  it('adds up to a summary with medians and worst cases', () => {
    const summary = failoverSummary(records, [kill], failoverRows(records, [kill]))
    const { kills, voters: count, medianMs, worstMs, lost, unequal, brokenPromises } = summary
    assert.deepEqual([kills, count, medianMs, worstMs, lost, unequal], [1, 3, 2500, 2500, 0, 0])
    assert.deepEqual(brokenPromises, [])
    failoverSummarySchema.parse(summary)
  })
})

describe('The kills of bench failover', () => {
  it('wait for all voters, and then for a new leader, a new version and the killed one at work', () => {
    const log: string[] = []
    const waiting: (() => void)[] = []
    let nowMs = 0
    const kills = new LeaderKills({
      kills: 2,
      voters: 3,
      kill: (peer) => log.push(`kill ${peer}`),
      restart: (peer) => log.push(`restart ${peer}`),
      progressed: (done) => log.push(`done ${done}`),
      later: (_, run) => void waiting.push(run),
      now: () => START_MS + nowMs,
    })
    const run = () => waiting.shift()?.()
    for (const record of [leads(0, 'a', 1), applied(1, 20)]) kills.heard(record)
    assert.equal(waiting.length, 0)
    kills.heard(voters(['a', 'b', 'c']))
    nowMs = 10_000
    run()
    run()
    assert.deepEqual(log, ['done 0', 'kill a', 'restart a'])
    // A version before there is a leader is one of the dead leader's.
    for (const record of [applied(10_010, 21), step(13_000, 'a', 1), leads(13_000, 'b', 2)])
      kills.heard(record)
    assert.equal(waiting.length, 0)
    kills.heard(applied(14_000, 22, 'b'))
    assert.equal(waiting.length, 1)
    nowMs = 20_000
    run()
    assert.deepEqual(log.slice(3), ['done 1', 'kill b'])
    assert.deepEqual(
      kills.done.map(({ peer, term }) => [peer, term]),
      [
        ['a', 1],
        ['b', 2],
      ],
    )
  })
})
