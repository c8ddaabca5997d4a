// What records say of the promises: a run that kept them, and every way to break one.
import assert from 'node:assert/strict'
import { assignmentId, hash, peerId, runId } from '../../src/core/ids.js'
import type { Report } from '../../src/core/reports.js'
import type { FaultRecord, RunRecord } from '../../src/faults/records.js'
import { isKept, judge } from '../../src/faults/verdict.js'

const at = (second: number, peer: string, report: Report): RunRecord => ({
  time: new Date(Date.UTC(2026, 0, 1) + second * 1000).toISOString(),
  peer,
  ...report,
})
const started = (second: number, peer: string, config: unknown = null): RunRecord =>
  at(second, peer, {
    type: 'run-started',
    run: runId('ab'),
    name: 'storm',
    config,
    parameters: 1,
    resumed: false,
  })
const leads = (second: number, peer: string, term: number): RunRecord =>
  at(second, peer, { type: 'leader', term, leader: peer, id: peerId(`id-${peer}`), reason: 'chosen' })
const digest = (second: number, peer: string, version: number, of = 'd', state: string | null = 's') =>
  at(second, peer, {
    type: 'digest',
    version,
    digest: hash(`${of}${version}`),
    stateDigest: state === null ? null : hash(`${state}${version}`),
  })
const assigned = (second: number, index: number, worker: string): RunRecord =>
  at(second, 'a', {
    type: 'assigned',
    assignment: assignmentId(index),
    worker,
    version: 0,
    steps: 1,
    shard: 0,
    position: 0,
    speed: null,
    maxSpeed: null,
    learningRate: 0.1,
    window: 0,
  })
const contributed = (second: number, index: number, peer: string): RunRecord =>
  at(second, peer, {
    type: 'contributed',
    assignment: assignmentId(index),
    bytes: 4,
    codec: 'fp32',
    norm: 1,
    loss: 2,
  })
interface Applied {
  readonly by?: string
  readonly term?: number
  readonly index?: number
}
const applied = (
  second: number,
  version: number,
  assignment: number,
  { by = 'a', term = 1, index = 10 + version }: Applied = {},
): RunRecord =>
  at(second, by, {
    type: 'applied',
    version,
    term,
    index,
    worker: 'b',
    assignment: assignmentId(assignment),
    staleness: 0,
    steps: 1,
    loss: 2,
    speed: 1,
  })
const fault = (second: number, forSeconds: number): FaultRecord => ({
  time: new Date(Date.UTC(2026, 0, 1) + second * 1000).toISOString(),
  peer: 'b',
  type: 'fault',
  what: 'kill',
  peers: ['b'],
  forSeconds,
})

/** A run in which nothing is wrong: a leads, dies, b leads, and what a had ordered is told again. */
const sound: readonly RunRecord[] = [
  started(0, 'a'),
  started(0, 'b'),
  leads(1, 'a', 1),
  assigned(2, 1, 'b'),
  contributed(3, 1, 'b'),
  applied(4, 1, 1),
  digest(4, 'a', 1),
  digest(4, 'b', 1),
  digest(4, 'c', 1, 'd', null),
  assigned(4, 2, 'b'),
  contributed(5, 2, 'b'),
  fault(5, 2),
  leads(6, 'b', 3),
  applied(6, 1, 1, { by: 'b' }),
  applied(8, 2, 2, { by: 'b', term: 3, index: 15 }),
  digest(8, 'b', 2),
  started(8, 'a'),
  digest(8, 'a', 0),
  digest(9, 'a', 2),
  assigned(9, 3, 'b'),
  contributed(10, 3, 'b'),
]

const violations = (records: readonly RunRecord[]): string[] =>
  judge(records).checked.flatMap(({ broken }) => broken)

describe('The verdict on a run', () => {
  it('is that all promises were kept where they were, and tells how much happened', () => {
    const verdict = judge(sound)
    assert.deepEqual(violations(sound), [])
    assert.ok(isKept(verdict))
    const { versions, leaders, contributions, faults } = verdict
    assert.deepEqual([versions, leaders, contributions, faults], [2, 2, 3, { kill: 1 }])
  })

  it('is that of an empty file: nothing happened, nothing was broken', () => {
    assert.ok(isKept(judge([])))
  })

  const wrongs: readonly [string, readonly RunRecord[], RegExp][] = [
    ['a term with two leaders', [leads(11, 'c', 3)], /^term 3 was led by b and by c$/],
    ['a version that fell', [digest(11, 'b', 1)], /^b fell from version 2 to 1$/],
    [
      'a version with two thetas',
      [digest(11, 'c', 2, 'x', null)],
      /^version 2 has one theta at b and another at c$/,
    ],
    [
      'a version with two outer states',
      [digest(11, 'c', 2, 'd', 'x')],
      /^version 2 has one outer state at b and another at c$/,
    ],
    [
      'a contribution that was applied twice',
      [applied(11, 3, 1, { term: 3, index: 20 })],
      /^a1 of b was applied as version 1 and as version 3$/,
    ],
    [
      'a contribution that is forgotten while its worker has other work',
      [assigned(11, 4, 'b')],
      /^a3 of b was neither applied nor refused nor expired$/,
    ],
    [
      'an entry that is two things',
      [applied(11, 2, 5, { term: 2, index: 15 })],
      /^entry 15 applies a2 in term 3 as version 2 by b, and a5 in term 2 as version 2 by a$/,
    ],
    [
      'a leader of the past that goes on after the next one',
      [applied(11, 3, 3, { term: 1, index: 16 })],
      /^a applied entry 16 in term 1, after entry 15 of term 3$/,
    ],
    [
      'entries that make versions in another order',
      [applied(11, 1, 9, { term: 4, index: 30 })],
      /^entry 30 makes version 1, and entry 15 made 2$/,
    ],
  ]
  for (const [what, more, expected] of wrongs)
    it(`names ${what}`, () => {
      assert.ok(
        violations([...sound, ...more]).some((text) => expected.test(text)),
        violations([...sound, ...more]).join('\n'),
      )
    })

  it('holds nothing against a contribution that was refused, expired, or may be done ahead', () => {
    const refused = at(11, 'b', {
      type: 'refused',
      what: 'contribution',
      from: 'b',
      reason: 'a3: its norm is not finite',
    })
    const expired = at(11, 'b', {
      type: 'expired',
      assignment: assignmentId(3),
      worker: 'b',
      reason: 'not back after 6 s',
    })
    for (const verdict of [refused, expired])
      assert.deepEqual(violations([...sound, verdict, assigned(12, 4, 'b')]), [])
    const ahead = [started(0, 'a', { roundsAhead: 1 }), ...sound.slice(1, -4), ...sound.slice(-2)]
    assert.deepEqual(violations([...ahead, assigned(12, 4, 'b')]), [])
  })

  it('holds nothing against a peer that starts again or gives up what it held', () => {
    const healing = at(11, 'b', {
      type: 'refused',
      what: 'own outer state',
      from: null,
      reason: 'version 2 is another',
    })
    assert.deepEqual(violations([...sound, healing, digest(12, 'b', 1)]), [])
  })

  it('is that the run stood still where no version came after the last fault', () => {
    const stood = [...sound.slice(0, 12), fault(9, 2), digest(60, 'b', 1)]
    assert.match(
      violations(stood).join(),
      /^no version came after version 1, though the last fault was mended/,
    )
    // Ended too soon to tell.
    assert.deepEqual(violations(stood.slice(0, -1)), [])
  })

  it('begins anew where a run was recovered by force: what others alone held is lost', () => {
    const recovered: RunRecord = {
      time: new Date(Date.UTC(2026, 0, 1, 0, 0, 20)).toISOString(),
      peer: 'a',
      type: 'recovered',
      epoch: 1,
      index: 11,
      voters: ['a'],
      reason: 'b is gone',
    }
    const after = [
      recovered,
      started(21, 'a'),
      digest(21, 'a', 1),
      applied(22, 2, 7, { term: 4, index: 13 }),
      digest(22, 'a', 2, 'x'),
    ]
    assert.deepEqual(violations([...sound, ...after]), [])
    // Another one comes back with what it held, until it hears of it.
    const back = [started(23, 'b'), digest(23, 'b', 2)]
    assert.match(violations([...sound, ...after, ...back]).join(), /version 2 has one theta at a/)
    const reason = 'a recovered this run by force, and this voter is none any more'
    const heard = at(24, 'b', { type: 'refused', what: 'own ledger', from: null, reason })
    assert.deepEqual(violations([...sound, ...after, ...back, heard]), [])
    const since = digest(25, 'b', 2, 'y')
    assert.match(violations([...sound, ...after, ...back, heard, since]).join(), /version 2 has one theta/)
  })
})

describe('A run of clusters under a swarm', () => {
  const inCluster = (swarm: string, record: RunRecord): RunRecord =>
    record.type === 'fault' || record.type === 'recovered' ? record : { ...record, swarm }

  it('may have a leader of each term, and other states of a version, in every swarm', () => {
    const records = [
      started(0, 'a'),
      leads(1, 'a', 1),
      inCluster('north', leads(1, 'b', 1)),
      digest(2, 'a', 1),
      inCluster('north', digest(2, 'b', 1, 'other', 'other')),
    ]
    assert.ok(isKept(judge(records)))
  })

  it('loses no report but perhaps the last of a cluster, unless one is missing among those that were settled', () => {
    const reported = (second: number, round: number) =>
      inCluster(
        'north',
        at(second, 'a', {
          type: 'reported',
          round: assignmentId(round),
          contributions: 6,
          bytes: 4,
          norm: 1,
        }),
      )
    const told = [...sound, reported(11, 1), reported(12, 2), reported(13, 7)]
    assert.deepEqual(violations(told), [])
    const broken = violations([...told, reported(14, 8)])
    assert.deepEqual(broken, ['a7 of cluster north was neither applied nor refused nor expired'])
  })

  it('has what breaks a promise in a cluster told with its name', () => {
    const records = [
      started(0, 'a'),
      inCluster('north', leads(1, 'a', 1)),
      inCluster('north', leads(2, 'b', 1)),
    ]
    const broken = judge(records).checked.flatMap((checked) => checked.broken)
    assert.deepEqual(broken, ['in cluster north: term 1 was led by a and by b'])
  })
})
