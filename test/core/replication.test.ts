// How a leader's log reaches the replicas and is committed (Raft, sections 5.3 and 5.4.2), and its lease (9.6, 6.4).
import assert from 'node:assert/strict'
import type { Entry } from '../../src/core/entries.js'
import { peerId } from '../../src/core/ids.js'
import { lastPoint } from '../../src/core/log.js'
import type { Append } from '../../src/core/messages.js'
import {
  acknowledge,
  arrive,
  type Driven,
  elect,
  elected,
  founder,
  join,
  ledgerOf,
  manifestFor,
  other,
  pulse,
  third,
  voter,
} from './driven.js'

const three = [founder, other, third]
const start = ledgerOf(three).index
const validate = (index: number, term: number): Entry => ({
  kind: 'validate',
  version: 0,
  loss: 1,
  index,
  term,
})
const committed = (driven: Driven) => driven.replica.ledger.index
const acknowledged = (driven: Driven, peer: typeof other, index: number, ok = true) =>
  driven.from(peer, { type: 'appended', epoch: 0, term: driven.state.term, ok, index })
const indices = ({ entries }: Append) => entries.map(({ index }) => index)
/** A validation is the plainest thing that a leader adds to the ledger. */
const addEntry = (driven: Driven): Driven => {
  const version = driven.replica.applied
  const loss = 1
  const { last } = driven.lead.head.validation
  assert.ok(last === null || last.version < version, 'there is a newer version to validate')
  return driven.event({ type: 'validated', version, loss })
}

describe('An entry', () => {
  it('is committed once a majority has it durable, the leader among them or not (5.3)', () => {
    const driven = elected(three).clear()
    driven.prompt = false
    addEntry(driven)
    const { index } = driven.lead.head
    acknowledged(driven, other, index)
    assert.equal(committed(driven), index - 1, 'one of three, for the own disk is slow')
    acknowledged(driven, third, index)
    assert.equal(committed(driven), index)
    const prompt = addEntry(elected(three))
    assert.equal(committed(prompt), index - 1)
    acknowledged(prompt, other, index)
    assert.equal(committed(prompt), index)
  })

  it('of an earlier term is committed only together with one of the own, however many have it (5.4.2)', () => {
    const left = [validate(start + 1, 1), validate(start + 2, 1)]
    const driven = elect(voter(founder, three, { log: left }), other)
    for (const peer of [other, third]) acknowledged(driven, peer, start + 2)
    assert.equal(committed(driven), start)
    acknowledged(driven, third, start + 3)
    assert.equal(committed(driven), start + 3)
  })

  it('that some replicas acknowledge twice, or late, is counted once', () => {
    const driven = addEntry(elected([...three, peerId('id-d'), peerId('id-e')]))
    const { index } = driven.lead.head
    for (let i = 0; i < 3; i++) acknowledged(driven, other, index)
    acknowledged(driven, other, 1)
    assert.equal(committed(driven), index - 1)
    acknowledged(driven, third, index)
    assert.equal(committed(driven), index)
  })

  it('is not committed by an answer to an earlier term, or of a learner', () => {
    const learner = peerId('id-learner')
    const driven = addEntry(elected(three, { learners: [learner] }))
    const { index } = driven.lead.head
    acknowledged(driven, learner, index)
    driven.from(other, { type: 'appended', epoch: 0, term: 1, ok: true, index })
    assert.equal(committed(driven), index - 1)
  })
})

describe('A replica', () => {
  it('is sent the no-op of a new leader, after the last entry that the leader had before', () => {
    const driven = elect(voter(founder, three), other)
    for (const peer of [other, third]) {
      const [append] = driven.sent(peer, 'append')
      assert.deepEqual(append.prev, { index: start, term: 1 })
      assert.deepEqual(indices(append), [start + 1])
    }
  })

  it('that lacks entries before those it was sent gets them from where its log ends', () => {
    const log = Array.from({ length: 5 }, (_, i) => validate(start + 1 + i, 1))
    const driven = elect(voter(founder, three, { log }), other).clear()
    acknowledged(driven, third, start + 2, false)
    const [append] = driven.sent(third, 'append')
    assert.deepEqual(append.prev, { index: start + 2, term: 1 })
    assert.deepEqual(
      indices(append),
      [3, 4, 5, 6].map((i) => start + i),
    )
  })

  it('never gets again what it acknowledged, whatever comes late', () => {
    const log = Array.from({ length: 5 }, (_, i) => validate(start + 1 + i, 1))
    const driven = elect(voter(founder, three, { log }), other)
    acknowledged(driven, third, start + 4).clear()
    acknowledged(driven, third, 0, false)
    assert.deepEqual(indices(driven.sent(third, 'append')[0]), [start + 5, start + 6])
  })

  it('is sent what is new while earlier answers are still on their way', () => {
    const driven = elect(voter(founder, three), other)
    acknowledge(driven, other).clear()
    addEntry(driven)
    assert.deepEqual(indices(driven.sent(third, 'append')[0]), [driven.lead.head.index])
  })

  it('far behind is sent a hundred entries at a time, and ten such messages ahead', () => {
    const log = Array.from({ length: 2_500 }, (_, i) => validate(start + 1 + i, 1))
    const driven = elect(voter(founder, three, { log }), other).clear()
    acknowledged(driven, third, start, false)
    const appends = driven.sent(third, 'append')
    assert.deepEqual(
      appends.map(({ entries }) => entries.length),
      Array.from({ length: 10 }, () => 100),
    )
    driven.clear()
    acknowledged(driven, third, start + 100)
    assert.deepEqual(indices(driven.sent(third, 'append')[0])[0], start + 1_001)
  })

  it('that is not connected is sent nothing until it is, and then what it lacks', () => {
    const driven = elected(three).event({ type: 'disconnected', peer: third })
    addEntry(driven.clear())
    assert.deepEqual(driven.sent(third, 'append'), [])
    driven.event({ type: 'connected', peer: third })
    assert.deepEqual(indices(driven.sent(third, 'append')[0]), [driven.lead.head.index])
  })

  it('whose pulse lacks what was sent before its heartbeat is sent it again', () => {
    const driven = addEntry(elected(three))
    const { index } = driven.lead.head
    driven.clear().from(third, pulse(driven, third, { index: index - 1 }))
    assert.deepEqual(driven.sent(third, 'append'), [], 'it may cross the answer')
    driven.at += 500
    driven
      .timer('heartbeat')
      .clear()
      .from(third, pulse(driven, third, { index: index - 1 }))
    assert.deepEqual(indices(driven.sent(third, 'append')[0]), [index])
  })

  it('that has everything, but whose word on it was lost, is asked for it', () => {
    const driven = addEntry(elected(three))
    driven.at += 500
    driven.timer('heartbeat').clear().from(third, pulse(driven, third))
    const [append] = driven.sent(third, 'append')
    assert.deepEqual([append.prev, append.entries], [lastPoint(driven.replica), []])
    acknowledge(driven, third)
    driven.at += 500
    driven.timer('heartbeat').clear().from(third, pulse(driven, third))
    assert.deepEqual(driven.sent(third, 'append'), [])
  })
})

describe('The lease of a leader', () => {
  const alone = (driven: Driven, ms: number): Driven => {
    driven.at += ms
    return driven.clear()
  }

  it('counts from when the heartbeat was sent that a majority answered, not from the answer', () => {
    const driven = elected(three)
    driven.at = 1_000
    driven.timer('heartbeat')
    driven.at = 2_900
    driven.from(other, pulse(driven, other, { beat: 1_000 })).clear()
    driven.at = 3_000
    addEntry(driven)
    assert.deepEqual(driven.kinds(), ['validate'])
    driven.at = 3_001
    driven.clear().from(other, { type: 'leave', reason: '' })
    assert.deepEqual(driven.kinds(), [])
  })

  it('begins with the votes, as of when they were asked for', () => {
    const driven = voter(founder, three).timer('election')
    driven.at = 1_500
    elect(driven, other)
    acknowledge(driven, other)
    assert.deepEqual(addEntry(alone(driven, 1_999)).kinds(), ['validate'])
    assert.deepEqual(join2(alone(driven, 2)), [])
  })

  const join2 = (driven: Driven): string[] => {
    const late = peerId('id-late')
    driven.event({ type: 'connected', peer: late })
    join(driven, late)
    return driven.kinds()
  }

  it('once over, lets nothing be added to the ledger, whatever happens', () => {
    const driven = elected(three)
    driven.pass(500, [other, third], { phase: 'idle', assignments: [] })
    assert.ok(driven.openOf(other) !== undefined && driven.openOf(third) !== undefined)
    acknowledge(driven, other, third)
    const [contribution, wrong] = [manifestFor(driven, other), manifestFor(driven, third, { steps: 3 })]
    alone(driven, 2_001)
    assert.deepEqual(join2(driven), [])
    driven.event({ type: 'contribution', from: other, manifest: contribution, problem: null })
    driven.event({ type: 'contribution', from: third, manifest: wrong, problem: null })
    driven.event({ type: 'validated', version: 0, loss: 1 })
    driven.from(third, { type: 'give-up', assignment: wrong.assignment, reason: '' })
    driven.from(third, { type: 'leave', reason: '' })
    for (const name of ['grace', 'gather', 'time-limit'] as const) driven.timer(name)
    assert.deepEqual(driven.kinds(), [])
  })

  it('once there again, has what waited for it done', () => {
    const driven = elected(three)
    driven.pass(500, [other, third], { phase: 'idle', assignments: [] })
    acknowledge(driven, other, third)
    alone(driven, 2_001)
    arrive(driven, other)
    assert.deepEqual(driven.kinds(), [])
    driven.timer('heartbeat').from(third, pulse(driven, third))
    assert.deepEqual(driven.kinds().slice(0, 1), ['apply'])
  })

  it('is not drawn out by answers to heartbeats that were never sent', () => {
    const driven = elected(three)
    driven.from(other, pulse(driven, other, { beat: 1e9 }))
    driven.at = 2_001
    assert.deepEqual(join2(driven.clear()), [])
  })

  it('needs a majority: with one of five it is over, with two it lasts', () => {
    const five = [...three, peerId('id-d'), peerId('id-e')]
    const one = elected(five).pass(2_500, [other])
    assert.deepEqual(join2(one.clear()), [])
    const two = elected(five).pass(2_500, [other, third])
    assert.ok(join2(two.clear()).includes('admit'))
  })

  it('is always there where the leader votes alone', () => {
    const driven = elected([founder])
    driven.at = 1e6
    assert.ok(join2(driven.clear()).includes('admit'))
  })

  it('gone for as long as others wait before they elect, ends its leading', () => {
    const driven = elected(three).pass(2_000)
    assert.notEqual(driven.state.lead, null)
    driven.clear().pass(1_000)
    assert.equal(driven.state.lead, null)
    const deposed = driven.of('report').find(({ report }) => report.type === 'deposed')
    assert.deepEqual(deposed?.report, {
      type: 'deposed',
      term: 2,
      reason: 'no majority of the voters has answered for 2.5 s',
    })
  })
})
