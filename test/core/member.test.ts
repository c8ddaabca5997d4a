// A member's decisions: keeping its place, working, ending.
import assert from 'node:assert/strict'
import type { Entry } from '../../src/core/entries.js'
import { assignmentId } from '../../src/core/ids.js'
import { Driven, digestOf, founder, manifestOf, other, setupOf, third } from './driven.js'
import {
  append,
  apply,
  asReplica,
  assign,
  entries,
  heartbeat,
  installed,
  ledger,
  member,
  round,
  start,
  welcome,
} from './joined.js'

describe('A member', () => {
  it('asks to be taken in again, once the snapshot that it installs says that it was let go', () => {
    const driven = new Driven(setupOf(other)).start(founder, third)
    driven.from(founder, welcome(asReplica)).clear()
    const members = { ...ledger.members, [other]: { ...ledger.members[other], present: false } }
    driven.event({ ...installed, ledger: { ...ledger, members } }).timer('rejoin')
    assert.equal(driven.sent(founder, 'join').length, 1)
  })

  it('asks to be taken in again after twenty silent heartbeats, with the round it is at', () => {
    const driven = member(false)
    entries(driven, assign(round, start + 1)).event({ type: 'theta-ready', version: 0 })
    driven.at = 20_000
    driven.clear().timer('rejoin')
    assert.deepEqual(driven.sent(founder, 'join')[0].holding, [round.id])
  })

  it('fetches a base version once, however often it hears of the round or is welcomed', () => {
    const driven = member(false)
    entries(driven, assign(round, start + 1))
    entries(driven, assign(round, start + 1))
    driven.from(founder, welcome())
    assert.equal(driven.of('fetch-theta').length, 1)
  })

  it('fetches no version that its snapshot will bring', () => {
    const driven = new Driven(setupOf(other)).start(founder)
    entries(driven, assign(round, start + 1))
    for (let i = 0; i < 2; i++) driven.from(founder, welcome(asReplica))
    assert.deepEqual(driven.of('fetch-theta'), [])
    assert.equal(driven.of('fetch-snapshot').length, 1)
    driven.event(installed)
    assert.equal(driven.of('train').length, 1)
  })

  it('knows who holds the outer state, or asks again', () => {
    const driven = member(false).from(founder, heartbeat())
    assert.deepEqual(driven.sent(founder, 'join'), [])
    driven.from(founder, heartbeat({ replicasAt: start + 7 }))
    assert.equal(driven.sent(founder, 'join').length, 1)
  })

  it('gives up a round whose base cannot be had, and says so again if the leader did not hear', () => {
    const driven = member(false)
    entries(driven, assign(round, start + 1)).event({ type: 'theta-failed', version: 0, reason: 'gone' })
    assert.equal(driven.sent(founder, 'give-up').length, 1)
    entries(driven, assign(round, start + 1))
    assert.equal(driven.sent(founder, 'give-up').length, 2)
    assert.equal(driven.of('fetch-theta').length, 1)
  })

  it('that is no replica reports the digest of each version that it fetches', () => {
    const driven = member(false)
    entries(driven, assign(round, start + 1)).event({ type: 'theta-ready', version: 0 })
    const digests = driven.of('report').filter(({ report }) => report.type === 'digest')
    assert.deepEqual(
      digests.map(({ report }) => report),
      [{ type: 'digest', version: 0, digest: digestOf(0), stateDigest: null }],
    )
  })

  it('offers its contribution to be pulled only a while after its publication has ended', () => {
    const driven = member(false)
    const manifest = manifestOf(round)
    entries(driven, assign(round, start + 1)).event({ type: 'theta-ready', version: 0 })
    driven.clear().event({ type: 'trained', manifest })
    assert.equal(driven.of('publish-contribution').length, 1)
    assert.deepEqual(driven.of('set-timer'), [])
    driven.event({ type: 'contribution-published', assignment: assignmentId(1) })
    assert.deepEqual(driven.of('set-timer'), [])
    driven.event({ type: 'contribution-published', assignment: round.id })
    assert.deepEqual(driven.of('set-timer'), [{ type: 'set-timer', name: 'reoffer', afterMs: 3_000 }])
    driven.timer('reoffer')
    assert.equal(driven.sent(founder, 'offer').length, 1)
  })

  it("does not train on a base that is not the leader's", () => {
    const driven = entries(member(true), assign({ ...round, baseDigest: digestOf(99) }, start + 1))
    assert.deepEqual([driven.of('train'), driven.of('fetch-theta')], [[], []])
    assert.deepEqual(driven.state.worker.now.phase, 'fetching', 'the voters say whose digest is right')
  })

  it('does not end with a finish that a newer term has undone', () => {
    const finish: Entry = { kind: 'finish', reason: 'enough', ok: true, index: start + 1, term: 1 }
    const noop: Entry = {
      kind: 'no-op',
      leader: founder,
      reason: 'it came back',
      elapsedMs: 0,
      index: start + 2,
      term: 2,
    }
    const driven = append(member(true), [finish, noop], 2)
    assert.equal(driven.state.finishing, null)
    assert.equal(driven.replica.ledger.index, start + 2)
  })

  it('that misses entries before the end catches up before it ends', () => {
    const driven = member(true)
    const finish: Entry = { kind: 'finish', reason: 'enough', ok: true, index: start + 3, term: 1 }
    entries(driven, finish)
    assert.deepEqual(driven.of('end'), [])
    append(driven, [assign({ ...round, worker: founder }, start + 1), apply(start + 2, round.id), finish])
    assert.equal(driven.replica.applied, 1)
    assert.equal(driven.of('end')[0].outcome, 'finished')
  })
})

describe('A member of a cluster that takes the place of its outer state by a snapshot', () => {
  it('fetches the bytes of the report that is on its way above: no version holds them', () => {
    const report = manifestOf(round)
    const parent = { version: 0, epoch: 0, round: null, contributions: 0, losses: 0, report }
    const driven = new Driven(setupOf(other)).start(founder, third).from(founder, welcome(asReplica))
    driven.event({ ...installed, ledger: { ...ledger, parent } })
    assert.deepEqual(
      driven.of('hold-payload').map(({ payload, donors }) => [payload, donors]),
      [[report.payload, [founder, third]]],
    )
  })
})
