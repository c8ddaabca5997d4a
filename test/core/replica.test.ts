// A replica's decisions: outer steps, snapshots, what it forgets and when.
import assert from 'node:assert/strict'
import { assignmentId } from '../../src/core/ids.js'
import { Driven, digestOf, founder, other, payloadOf, setupOf } from './driven.js'
import {
  append,
  apply,
  asReplica,
  assign,
  entries,
  fenced,
  installed,
  ledger,
  member,
  round,
  start,
  welcome,
} from './joined.js'

describe('A replica', () => {
  const rounds = [assign({ ...round, worker: founder }, start + 1), apply(start + 2, round.id)]
  const failed = {
    type: 'outer-failed',
    version: 1,
    reason: 'nobody holds its payload',
    lasting: false,
  } as const

  it('whose outer step fails again and again takes a snapshot, and keeps its ledger', () => {
    const driven = member(true)
    driven.prompt = false
    driven.event({ type: 'payload-held', payload: payloadOf(round.id) })
    append(driven, rounds)
    for (let i = 0; i < 9; i++) driven.event(failed).timer('retry-apply')
    assert.equal(driven.replica.healing, null)
    driven.event(failed)
    assert.match(driven.replica.healing ?? '', /version 1 cannot be made here: nobody holds its payload/)
    assert.equal(driven.replica.ledger.index, start + 2)
    driven.clear().timer('rejoin')
    assert.equal(driven.sent(founder, 'join')[0].log, null)
  })

  it('whose next version nobody can make ends with the run, which has failed', () => {
    const driven = member(true)
    driven.prompt = false
    driven.event({ type: 'payload-held', payload: payloadOf(round.id) })
    append(driven, rounds)
    driven.event({ type: 'outer-failed', version: 1, reason: 'theta would be Infinity', lasting: true })
    assert.ok(driven.refused().some(({ what }) => what === 'version 1'))
    assert.deepEqual(
      driven.timers().filter(([name]) => name === 'retry-apply'),
      [],
    )
    append(driven, [
      { kind: 'finish', reason: 'theta would be Infinity', ok: false, index: start + 3, term: 1 },
    ])
    assert.equal(driven.of('end')[0].outcome, 'failed')
  })

  it('that falls too far behind takes a snapshot instead of queueing for ever', () => {
    const driven = member(true)
    driven.prompt = false
    for (let version = 1; version < 400 && driven.replica.healing === null; version++) {
      const index = start + 2 * version - 1
      const id = assignmentId(index)
      driven.event({ type: 'payload-held', payload: payloadOf(id) })
      append(driven, [assign({ ...round, id, worker: founder }, index), apply(index + 1, id, version)])
    }
    assert.match(driven.replica.healing ?? '', /it is 256 versions behind/)
  })

  it('takes no outer step for its own that was begun before its snapshot', () => {
    const driven = member(true)
    driven.event({ type: 'outer-applied', version: 1, digest: digestOf(99), stateDigest: digestOf(99) })
    assert.equal(driven.replica.applied, 0)
  })

  it('takes no snapshot that is older than what it holds: one that was on its way says where its log ends', () => {
    const driven = append(member(true), rounds).clear()
    driven.from(founder, welcome(asReplica))
    assert.deepEqual(driven.of('fetch-snapshot'), [])
    assert.equal(driven.replica.applied, 1)
    const { ok, index } = driven.sent(founder, 'appended')[0]
    assert.deepEqual([ok, index], [false, start + 2])
  })

  it('whose place others took while it was away goes on as a worker', () => {
    const driven = append(member(true), rounds)
    entries(
      driven,
      assign({ ...round, id: assignmentId(start + 9), base: 7, baseDigest: digestOf(7) }, start + 9),
    )
    assert.deepEqual(driven.of('fetch-theta'), [], 'it would make that version itself')
    driven.clear().from(founder, welcome())
    assert.equal(driven.state.replica, null)
    assert.deepEqual(
      driven.of('fetch-theta').map(({ version }) => version),
      [7],
    )
  })

  it('keeps what its log has after a snapshot, for a majority may count on it', () => {
    const driven = append(member(true), rounds)
    driven.from(founder, { type: 'heal', ...fenced, version: 1, stateDigest: digestOf(9) })
    driven.timer('rejoin').from(founder, welcome(asReplica))
    driven.clear().event(installed)
    assert.equal(driven.replica.log.length, 2)
    assert.deepEqual(driven.of('compact'), [])
    assert.equal(driven.replica.applied, 1, 'and takes its outer step again')
  })

  it('lets go of a log that its snapshot goes beyond, in order with what it writes', () => {
    const driven = append(member(true), rounds)
    driven.from(founder, welcome({ replica: true, snapshot: { version: 8, stateDigest: digestOf(8) } }))
    const later = { ...ledger, index: start + 40, version: 8 }
    driven.clear().event({ ...installed, ledger: later, digest: digestOf(8), stateDigest: digestOf(8) })
    const base = { index: start + 40, term: 1 }
    assert.deepEqual(driven.of('compact'), [{ type: 'compact', base }])
    assert.deepEqual([driven.replica.base, driven.replica.log], [base, []])
    const { ok, index } = driven.sent(founder, 'appended')[0]
    assert.deepEqual([ok, index], [false, start + 40])
  })

  it('is asked for a snapshot with every checkpoint, and forgets what the one before it covers', () => {
    const driven = new Driven(setupOf(other, { checkpoints: { everyVersions: 1 } })).start(founder)
    driven.from(founder, welcome(asReplica)).event(installed).clear()
    append(driven, rounds)
    assert.deepEqual(
      driven.of('save-snapshot').map(({ version }) => version),
      [1],
    )
    driven.event({ type: 'snapshot-saved', index: start + 2, term: 1 })
    assert.deepEqual(
      [driven.of('compact'), driven.replica.log.length],
      [[], 2],
      'the first covers nothing yet',
    )
    const id = assignmentId(start + 3)
    append(driven, [assign({ ...round, id, worker: founder }, start + 3), apply(start + 4, id, 2)])
    driven.clear().event({ type: 'snapshot-saved', index: start + 4, term: 1 })
    assert.deepEqual(driven.of('compact'), [{ type: 'compact', base: { index: start + 2, term: 1 } }])
    assert.deepEqual(driven.of('drop-payloads'), [{ type: 'drop-payloads', payloads: [payloadOf(round.id)] }])
    assert.equal(driven.replica.log.length, 2)
  })
})
