// A member's decisions: following the leader, healing itself, working.
import assert from 'node:assert/strict'
import type { Assignment, Entry } from '../../src/core/entries.js'
import { assignmentId, hash } from '../../src/core/ids.js'
import { emptyLedger } from '../../src/core/ledger.js'
import type { Manifest } from '../../src/core/messages.js'
import { Driven, digestOf, founder, other, setupOf } from './driven.js'

const round: Assignment = {
  id: assignmentId(3),
  worker: other,
  base: 0,
  baseDigest: digestOf(0),
  shard: 0,
  position: 0,
  steps: 10,
  deadlineMs: 60_000,
}
const assign = (assignment: Assignment, index: number): Entry => ({
  kind: 'assign',
  assignment,
  speed: null,
  fastest: null,
  window: 1,
  index,
  term: 1,
})
const apply = (index: number, assignment = assignmentId(index)): Entry => ({
  kind: 'apply',
  assignment,
  worker: founder,
  payload: hash('a'.repeat(64)),
  staleness: 0,
  weight: 1,
  steps: 10,
  speed: 10,
  loss: 1,
  index,
  term: 1,
})

function member(replica: boolean): Driven {
  const driven = new Driven(setupOf(other))
  driven.event({ type: 'connected', peer: founder })
  driven.event({ type: 'started', speed: 10, holding: null })
  const snapshot = replica ? { version: 0, stateDigest: digestOf(0) } : null
  driven.from(founder, { type: 'welcome', term: 1, replica, snapshot })
  if (replica) {
    const ledger = { ...emptyLedger([100, 100, 100, 100]), index: 2, term: 1 }
    driven.event({ type: 'snapshot-installed', ledger, digest: digestOf(0), stateDigest: digestOf(0) })
  }
  return driven.clear()
}

const manifestOf = ({ id, base, steps }: Assignment): Manifest => ({
  assignment: id,
  base,
  steps,
  codec: 'fp32',
  payload: hash('b'.repeat(64)),
  bytes: 4,
  chunkBytes: 4,
  chunks: [hash('b'.repeat(64))],
  norm: 1,
  speed: 10,
  loss: 1,
})

const entries = (driven: Driven, ...list: Entry[]) =>
  driven.from(founder, { type: 'entries', term: 1, entries: list })

describe('A peer that starts', () => {
  it('asks to be taken in only when everything local is ready, and again until it is', () => {
    const driven = new Driven(setupOf(other))
    driven.event({ type: 'connected', peer: founder })
    assert.deepEqual(driven.sent(founder, 'join'), [])
    driven.event({ type: 'started', speed: 10, holding: null })
    assert.equal(driven.sent(founder, 'join').length, 1)
    driven.at = 1_000
    driven.event({ type: 'timer', name: 'rejoin' })
    assert.equal(driven.sent(founder, 'join').length, 2)
  })

  it('is subscribed to its assignments before it joins', () => {
    const driven = new Driven(setupOf(other))
    driven.event({ type: 'started', speed: 10, holding: null })
    assert.deepEqual(
      driven.of('subscribe').map(({ topic }) => topic),
      [{ kind: 'assignments', cluster: 'lake' }],
    )
  })
})

describe('A member', () => {
  it('asks to be taken in again after ten silent heartbeats, with the round it is at', () => {
    const driven = member(false)
    entries(driven, assign(round, 3)).event({ type: 'theta-ready', version: 0 })
    driven.at = 20_000
    driven.event({ type: 'connected', peer: founder }).clear().event({ type: 'timer', name: 'rejoin' })
    assert.equal(driven.sent(founder, 'join')[0].holding, round.id)
  })

  it('fetches a base version once, however often it hears of the round or is welcomed', () => {
    const driven = member(false)
    entries(driven, assign(round, 3))
    entries(driven, assign(round, 3))
    driven.from(founder, { type: 'welcome', term: 1, replica: false, snapshot: null })
    assert.equal(driven.of('fetch-theta').length, 1)
  })

  it('fetches no version that its snapshot will bring', () => {
    const driven = new Driven(setupOf(other))
    driven.event({ type: 'started', speed: 10, holding: null }).event({ type: 'connected', peer: founder })
    entries(driven, assign(round, 3))
    driven.from(founder, {
      type: 'welcome',
      term: 1,
      replica: true,
      snapshot: { version: 0, stateDigest: digestOf(0) },
    })
    driven.from(founder, {
      type: 'welcome',
      term: 1,
      replica: true,
      snapshot: { version: 0, stateDigest: digestOf(0) },
    })
    assert.deepEqual(driven.of('fetch-theta'), [])
    assert.equal(driven.of('fetch-snapshot').length, 1)
    const ledger = { ...emptyLedger([100, 100, 100, 100]), index: 2, term: 1 }
    driven.event({ type: 'snapshot-installed', ledger, digest: digestOf(0), stateDigest: digestOf(0) })
    assert.equal(driven.of('train').length, 1)
  })

  it('gives up a round whose base cannot be had, and says so again if the leader did not hear', () => {
    const driven = member(false)
    entries(driven, assign(round, 3)).event({ type: 'theta-failed', version: 0, reason: 'gone' })
    assert.equal(driven.sent(founder, 'give-up').length, 1)
    entries(driven, assign(round, 3))
    assert.equal(driven.sent(founder, 'give-up').length, 2)
    assert.equal(driven.of('fetch-theta').length, 1)
  })

  it('that is no replica reports the digest of each version that it fetches', () => {
    const driven = member(false)
    entries(driven, assign(round, 3)).event({ type: 'theta-ready', version: 0 })
    const digests = driven.of('report').filter(({ report }) => report.type === 'digest')
    assert.deepEqual(
      digests.map(({ report }) => report),
      [{ type: 'digest', version: 0, digest: digestOf(0), stateDigest: null }],
    )
  })

  it('offers its contribution to be pulled only a while after its publication has ended', () => {
    const driven = member(false)
    const manifest = manifestOf(round)
    entries(driven, assign(round, 3)).event({ type: 'theta-ready', version: 0 })
    driven.clear().event({ type: 'trained', manifest })
    assert.equal(driven.of('publish-contribution').length, 1)
    assert.deepEqual(driven.of('set-timer'), [])
    driven.event({ type: 'contribution-published', assignment: assignmentId(1) })
    assert.deepEqual(driven.of('set-timer'), [])
    driven.event({ type: 'contribution-published', assignment: round.id })
    assert.deepEqual(driven.of('set-timer'), [{ type: 'set-timer', name: 'reoffer', afterMs: 3_000 }])
    driven.event({ type: 'timer', name: 'reoffer' })
    assert.equal(driven.sent(founder, 'offer').length, 1)
  })

  it("does not train on a base that is not the leader's", () => {
    const driven = member(true)
    entries(driven, assign({ ...round, baseDigest: digestOf(99) }, 3))
    assert.deepEqual(driven.of('train'), [])
    assert.equal(driven.state.replica, null)
    assert.ok(
      driven
        .of('report')
        .some(({ report }) => report.type === 'refused' && report.what === 'own outer state'),
    )
  })

  it('does not end with a finish that a newer term has undone', () => {
    const driven = member(true)
    const finish: Entry = { kind: 'finish', reason: 'enough', ok: true, index: 3, term: 1 }
    const noop: Entry = { kind: 'no-op', leader: founder, reason: 'it came back', index: 4, term: 2 }
    driven.from(founder, { type: 'entries', term: 2, entries: [finish, noop] })
    assert.equal(driven.state.finishing, null)
    assert.equal(driven.state.replica?.ledger.index, 4)
  })

  it('that misses entries before the end catches up before it ends', () => {
    const driven = member(true)
    driven.at = 2_000
    entries(driven, { kind: 'finish', reason: 'enough', ok: true, index: 5, term: 1 })
    assert.deepEqual(driven.of('end'), [])
    assert.equal(driven.sent(founder, 'want-entries')[0].from, 3)
    entries(driven, assign({ ...round, worker: founder }, 3), apply(4, round.id), {
      kind: 'finish',
      reason: 'enough',
      ok: true,
      index: 5,
      term: 1,
    })
    assert.equal(driven.state.replica?.applied, 1)
    assert.equal(driven.of('end')[0].outcome, 'finished')
  })
})

describe('A replica', () => {
  it('takes entries in order whatever order they come in, and asks once for what is missing', () => {
    const driven = member(true)
    driven.at = 2_000
    const [a, b, c] = [3, 4, 5].map(
      (index): Entry => assign({ ...round, id: assignmentId(index), worker: founder }, index),
    )
    entries(driven, c)
    entries(driven, b)
    assert.equal(driven.sent(founder, 'want-entries').length, 1)
    entries(driven, a, b, c)
    entries(driven, b)
    assert.equal(driven.state.replica?.ledger.index, 5)
  })

  it('whose outer step fails again and again starts afresh from a snapshot', () => {
    const driven = member(true)
    driven.prompt = false
    entries(driven, assign({ ...round, worker: founder }, 3), apply(4, round.id))
    for (let i = 0; i < 9; i++) {
      driven.event({ type: 'outer-failed', version: 1, reason: 'nobody holds its payload', lasting: false })
      driven.event({ type: 'timer', name: 'retry-apply' })
    }
    assert.ok(driven.state.replica !== null)
    driven.event({ type: 'outer-failed', version: 1, reason: 'nobody holds its payload', lasting: false })
    assert.equal(driven.state.replica, null)
    driven.clear().event({ type: 'timer', name: 'rejoin' })
    assert.equal(driven.sent(founder, 'join')[0].index, null)
  })

  it('whose next version nobody can make ends with the run, which has failed', () => {
    const driven = member(true)
    driven.prompt = false
    entries(driven, assign({ ...round, worker: founder }, 3), apply(4, round.id))
    driven.event({ type: 'outer-failed', version: 1, reason: 'theta would be Infinity', lasting: true })
    assert.ok(
      driven.of('report').some(({ report }) => report.type === 'refused' && report.what === 'version 1'),
    )
    assert.deepEqual(
      driven.of('set-timer').filter(({ name }) => name === 'retry-apply'),
      [],
    )
    entries(driven, { kind: 'finish', reason: 'theta would be Infinity', ok: false, index: 5, term: 1 })
    assert.equal(driven.of('end')[0].outcome, 'failed')
  })

  it('that falls too far behind starts afresh instead of queueing for ever', () => {
    const driven = member(true)
    driven.prompt = false
    for (let index = 3; index < 800 && driven.state.replica !== null; index += 2)
      entries(
        driven,
        assign({ ...round, id: assignmentId(index), worker: founder }, index),
        apply(index + 1, assignmentId(index)),
      )
    assert.equal(driven.state.replica, null)
  })

  it('takes no outer step for its own that was begun before its snapshot', () => {
    const driven = member(true)
    driven.event({ type: 'outer-applied', version: 1, digest: digestOf(99), stateDigest: digestOf(99) })
    assert.equal(driven.state.replica?.applied, 0)
  })
})

describe('A validator', () => {
  it('does not try a version again that could not be validated, and the run can still end', () => {
    const driven = new Driven(setupOf(founder, { stop: { versions: 1 }, validation: { everyVersions: 1 } }))
    driven.event({ type: 'started', speed: 10, holding: null })
    for (let i = 0; i < 3; i++) driven.event({ type: 'validation-failed', version: 0, reason: 'no memory' })
    assert.equal(driven.of('validate').length, 1)
  })
})
