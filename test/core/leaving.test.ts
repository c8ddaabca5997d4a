// A peer that its user stops hands over what it holds, and waits for that a second at most.
import assert from 'node:assert/strict'
import type { Entry } from '../../src/core/entries.js'
import { assignmentId, peerId } from '../../src/core/ids.js'
import {
  acknowledge,
  admission,
  type Driven,
  elected,
  founder,
  ledgerOf,
  other,
  pulse,
  third,
  voter,
} from './driven.js'
import { assign, heartbeat, round } from './joined.js'

const three = [founder, other, third]
const start = ledgerOf(three).index
const stop = (driven: Driven) => driven.clear().event({ type: 'stop-requested' })
const ended = (driven: Driven) => driven.of('end').map(({ outcome }) => outcome)
const waits = (driven: Driven) => driven.timers().filter(([name]) => name === 'leaving')

describe('A leader that is stopped', () => {
  it('hands over to the voter whose log is the most complete, and leads no more', () => {
    const driven = elected(three)
    driven.event({ type: 'validated', version: 0, loss: 1 })
    acknowledge(driven, third)
    stop(driven)
    assert.deepEqual(driven.sent(third, 'take-over'), [{ type: 'take-over', epoch: 0, term: 2 }])
    assert.deepEqual(driven.sent(other, 'take-over'), [])
    assert.equal(driven.state.lead, null)
    const deposed = driven.of('report').find(({ report }) => report.type === 'deposed')?.report
    assert.ok(deposed?.type === 'deposed')
    assert.equal(deposed.reason, 'it is stopped by its user; it hands over to third')
  })

  it('goes when the new leader has let it go, which it tells it to', () => {
    const driven = stop(elected(three))
    assert.deepEqual(waits(driven), [['leaving', 1_000]])
    assert.deepEqual(ended(driven), [])
    driven.clear().from(third, {
      type: 'heartbeat',
      epoch: 0,
      term: 3,
      index: 0,
      version: 0,
      beat: 0,
      elapsedMs: 0,
      replicasAt: 0,
    })
    assert.deepEqual(driven.sent(third, 'leave'), [{ type: 'leave', reason: 'stopped by its user' }])
    const { index, term } = driven.replica.log.at(-1) ?? assert.fail()
    const evict: Entry = { kind: 'evict', peer: founder, left: true, reason: '', index: index + 1, term: 3 }
    driven.from(third, {
      type: 'append',
      epoch: 0,
      term: 3,
      prev: { index, term },
      entries: [evict],
      commit: index + 1,
    })
    assert.deepEqual(ended(driven), ['stopped'])
  })

  it('goes after a second if nobody has', () => {
    assert.deepEqual(ended(stop(elected(three)).timer('leaving')), ['stopped'])
  })

  it('goes at once where nobody can take over: alone, or with nobody in reach', () => {
    assert.deepEqual(ended(stop(elected([founder]))), ['stopped'])
    const driven = elected(three)
    for (const peer of [other, third]) driven.event({ type: 'disconnected', peer })
    assert.deepEqual(ended(stop(driven)), ['stopped'])
  })

  it('does not hand over to a replica that does not vote, nor to a voter that is about to vote no more', () => {
    const learner = peerId('id-learner')
    const alone = stop(elected([founder], { learners: [learner] }))
    assert.deepEqual(alone.sent(learner, 'take-over'), [])
    const joint: Entry = {
      kind: 'configure',
      voters: three,
      next: [founder, third, learner],
      epoch: 0,
      reason: '',
      index: start + 2,
      term: 1,
    }
    const changing = stop(elected(three, { learners: [learner], log: [joint] }))
    assert.deepEqual(
      [changing.sent(other, 'take-over').length, changing.sent(third, 'take-over').length],
      [0, 1],
    )
  })

  it('does not ask to lead again', () => {
    const driven = stop(elected(three)).clear().timer('election')
    assert.deepEqual([driven.sent(other, 'ask-vote'), driven.state.lead], [[], null])
  })

  it('goes at once when it is stopped a second time', () => {
    assert.deepEqual(ended(stop(elected(three)).event({ type: 'stop-requested' })), ['stopped'])
  })
})

describe('A member that is stopped', () => {
  const heard = (driven: Driven) => driven.from(founder, heartbeat({ term: 2, index: start }))

  it('tells the leader, and stops training at once', () => {
    const driven = heard(voter(other, three))
    const entry: Entry = { ...assign({ ...round, id: assignmentId(start + 1) }, start + 1), term: 2 }
    driven.from(founder, { type: 'entries', epoch: 0, term: 2, entries: [entry] })
    assert.equal(driven.of('train').length, 1)
    stop(driven)
    assert.equal(driven.of('abort-training').length, 1)
    assert.equal(driven.sent(founder, 'leave').length, 1)
  })

  it('waits as a voter until others vote in its place: its own vote may be needed for that', () => {
    const driven = stop(heard(voter(other, three)))
    assert.deepEqual([ended(driven), waits(driven)], [[], [['leaving', 1_000]]])
    const learner = peerId('id-learner')
    const worker = voter(learner, three, { learners: [learner] })
    assert.deepEqual(ended(stop(heard(worker))), ['stopped'])
  })

  it('goes at once where no leader is in reach', () => {
    assert.deepEqual(ended(stop(voter(other, three))), ['stopped'])
    const cut = heard(voter(other, three)).event({ type: 'disconnected', peer: founder })
    assert.deepEqual(ended(stop(cut)), ['stopped'])
  })

  it('goes when the connection to the leader closes while it waits', () => {
    const driven = stop(heard(voter(other, three))).event({ type: 'disconnected', peer: founder })
    assert.deepEqual(ended(driven), ['stopped'])
  })
})

describe('A leader that hears of one who leaves', () => {
  it('lets it go, and has the voters be fewer where nobody can take its place', () => {
    const driven = elected(three).pass(1_000, [other, third])
    driven.clear().from(third, { type: 'leave', reason: 'stopped by its user' })
    const [evict, joint] = driven.entries()
    assert.ok(evict.kind === 'evict' && evict.left)
    assert.ok(joint.kind === 'configure')
    assert.deepEqual([joint.voters, joint.next], [three, [founder]])
    assert.match(joint.reason, /a voter left, and no replica can take the place/)
  })

  it('has a replica that has proved itself vote in its place', () => {
    const learner = peerId('id-learner')
    const driven = elected(three, { learners: [learner] }).pass(6_000, [other, third, learner])
    acknowledge(driven, other, third, learner)
    driven.pass(500, [other, third, learner])
    driven.clear().from(third, { type: 'leave', reason: 'stopped by its user' })
    const joint = driven.entries().find(({ kind }) => kind === 'configure')
    assert.ok(joint?.kind === 'configure')
    assert.deepEqual(joint.next, [founder, other, learner])
    assert.equal(joint.reason, 'a replica takes the place of a voter that left')
  })

  it('takes it in again as it was when it comes back', () => {
    const driven = elected(three).pass(1_000, [other, third])
    driven.from(third, { type: 'leave', reason: '' })
    driven.clear().from(third, {
      type: 'join',
      name: 'third',
      cluster: 'lake',
      speed: 10,
      holding: [],
      log: { index: start, term: 1 },
      addresses: [],
      role: 'replica',
    })
    const admit = driven.entries().find(({ kind }) => kind === 'admit')
    assert.deepEqual(admit, { ...admission(third), index: admit?.index, term: 2 })
    assert.equal(driven.lead.head.members[third].left, false)
    driven.from(third, pulse(driven, third))
  })
})
