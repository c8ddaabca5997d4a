// Equal versions have equal digests: who differs from the majority of the voters heals; without one the run halts.
import assert from 'node:assert/strict'
import { peerId } from '../../src/core/ids.js'
import type { DigestOf } from '../../src/core/messages.js'
import { type Driven, digestOf, elected, founder, ledgerOf, other, pulse, third, voter } from './driven.js'

const three = [founder, other, third]
const [right, wrong] = [digestOf(0), digestOf(99)]

const holding = (driven: Driven, peer: typeof other, stateDigest = right) =>
  driven.from(peer, pulse(driven, peer, { held: { version: 0, stateDigest } }))
const says = (stateDigest: DigestOf['stateDigest'], version = 0): DigestOf => {
  return { type: 'digest-of', epoch: 0, term: 2, version, stateDigest }
}
const asked = (driven: Driven, peer: typeof other) => driven.sent(peer, 'want-digest').length

describe('A leader to whom a voter shows another digest', () => {
  it('asks all voters what they made of the version, and says what differs', () => {
    const driven = holding(elected(three).clear(), other, wrong)
    assert.deepEqual([asked(driven, founder), asked(driven, other), asked(driven, third)], [0, 0, 1])
    const [{ what, reason }] = driven.refused()
    assert.equal(what, 'outer state')
    assert.equal(reason, 'its version 0 has digest 000000000000, here it is 000000000000')
  })

  it('has the one heal that is in the minority', () => {
    const driven = holding(elected(three), other, wrong).clear().from(third, says(right))
    assert.deepEqual(driven.sent(other, 'heal'), [
      { type: 'heal', epoch: 0, term: 2, version: 0, stateDigest: right },
    ])
    assert.deepEqual([driven.sent(third, 'heal'), driven.lead.inquiry], [[], null])
  })

  it('steps down and heals if the minority is itself', () => {
    const driven = holding(elected(three), other, wrong).clear().from(third, says(wrong))
    assert.equal(driven.state.lead, null)
    assert.match(driven.replica.healing ?? '', /^version 0 is another on other and third, the majority$/)
    driven.timer('election')
    assert.equal(driven.state.campaign, null, 'nor does it ask to lead again')
    assert.deepEqual(driven.sent(other, 'ask-vote'), [])
  })

  it('is satisfied by a pulse as by an answer', () => {
    const driven = holding(elected(three), other, wrong).clear()
    holding(driven, third, wrong)
    assert.equal(driven.state.lead, null)
  })

  it('ends the run as failed, with what each holds, where no majority has the same', () => {
    const driven = holding(elected(three), other, wrong)
      .clear()
      .from(third, says(digestOf(98)))
    const finish = driven.entries().find(({ kind }) => kind === 'finish')
    assert.ok(finish?.kind === 'finish' && !finish.ok)
    assert.match(finish.reason, /^no majority of the voters has the same version 0: \w{12} on founder, /)
  })

  it('does not count those who never made the version, or forgot it', () => {
    const five = [...three, peerId('id-d'), peerId('id-e')]
    const driven = holding(elected(five), other, wrong).clear()
    driven.from(third, says(wrong)).from(five[3], says(null))
    assert.notEqual(driven.lead.inquiry, null, 'two of five are no majority')
    driven.from(five[4], says(wrong))
    assert.equal(driven.state.lead, null)
  })

  it('gives nobody a round before it is settled', () => {
    const driven = holding(elected(three), other, wrong).clear()
    driven.from(third, pulse(driven, third, { phase: 'idle', assignments: [], held: null }))
    assert.deepEqual(driven.kinds(), [])
    driven.from(third, says(right))
    assert.deepEqual(driven.kinds(), ['assign'])
  })

  it('takes no word on it of those who do not vote, nor on another version', () => {
    const learner = peerId('id-learner')
    const driven = holding(elected(three, { learners: [learner] }), other, wrong).clear()
    driven.from(learner, says(wrong)).from(third, says(wrong, 7))
    assert.notEqual(driven.state.lead, null)
    assert.deepEqual(driven.sent(other, 'heal'), [])
  })

  it('heals nobody by its own word meanwhile', () => {
    const learner = peerId('id-learner')
    const driven = holding(elected(three, { learners: [learner] }), other, wrong).clear()
    holding(driven, learner, wrong)
    assert.deepEqual(driven.sent(learner, 'heal'), [])
    driven.from(third, says(right))
    holding(driven, learner, wrong)
    assert.equal(driven.sent(learner, 'heal').length, 1)
  })

  it('does nothing about equal digests, nor about versions that it does not know', () => {
    const driven = holding(elected(three).clear(), other)
    driven.from(third, pulse(driven, third, { held: { version: 7, stateDigest: wrong } }))
    assert.deepEqual([driven.refused(), asked(driven, third)], [[], 0])
  })
})

describe('A replica', () => {
  const following = () => {
    const driven = voter(other, three)
    const { index } = ledgerOf(three)
    return driven.from(founder, {
      type: 'heartbeat',
      epoch: 0,
      term: 2,
      index,
      version: 0,
      beat: 0,
      elapsedMs: 0,
      replicasAt: 0,
    })
  }
  const announced = { type: 'version', epoch: 0, term: 2, version: 0, digest: right } as const

  it('shows the leader at once that it made another state than announced', () => {
    const driven = following()
      .clear()
      .from(founder, { ...announced, stateDigest: wrong })
    const [shown] = driven.sent(founder, 'pulse')
    assert.deepEqual(shown.held, { version: 0, stateDigest: right })
    assert.equal(driven.replica.healing, null, 'who is right, the voters say')
    driven.clear().from(founder, { ...announced, stateDigest: right })
    assert.deepEqual(driven.left, [])
  })

  it('says what it made of a version, and that it does not know what it never made', () => {
    const driven = following().clear()
    for (const version of [0, 5]) driven.from(founder, { type: 'want-digest', epoch: 0, term: 2, version })
    assert.deepEqual(
      driven.sent(founder, 'digest-of').map(({ stateDigest }) => stateDigest),
      [right, null],
    )
  })

  it('that is in the minority keeps its ledger, takes the vectors of the leader and does not train meanwhile', () => {
    const driven = following().clear()
    const { log, ledger } = driven.replica
    driven.from(founder, { type: 'heal', epoch: 0, term: 2, version: 0, stateDigest: wrong })
    assert.ok(driven.replica.healing !== null)
    assert.deepEqual([driven.replica.log, driven.replica.ledger], [log, ledger], 'a majority may count on it')
    driven.clear().timer('rejoin')
    assert.equal(driven.sent(founder, 'join')[0].log, null)
    driven.from(founder, {
      type: 'welcome',
      epoch: 0,
      term: 2,
      replica: true,
      replicas: [],
      replicasAt: 0,
      revoked: [],
      snapshot: { version: 0, stateDigest: wrong },
    })
    assert.equal(driven.of('fetch-snapshot').length, 1)
    driven.event({ type: 'snapshot-installed', ledger, digest: wrong, stateDigest: wrong })
    assert.deepEqual([driven.replica.healing, driven.replica.stateDigest], [null, wrong])
  })

  it('that made what the majority has pays no heed to a call to heal', () => {
    const driven = following().from(founder, {
      type: 'heal',
      epoch: 0,
      term: 2,
      version: 0,
      stateDigest: right,
    })
    assert.equal(driven.replica.healing, null)
  })
})
