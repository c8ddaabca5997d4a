// Elections (Raft, sections 5.2, 5.4.1, 6 and 8; pre-vote and stickiness of the dissertation, section 9.6).
import assert from 'node:assert/strict'
import type { Entry } from '../../src/core/entries.js'
import { type PeerId, peerId } from '../../src/core/ids.js'
import { lastPoint } from '../../src/core/log.js'
import type { AskVote, Heartbeat, Vote } from '../../src/core/messages.js'
import { type Driven, elect, elected, founder, ledgerOf, other, third, voter } from './driven.js'

const three = [founder, other, third]
const end = { index: ledgerOf(three).index, term: 1 }

const ask = (term: number, changes: Partial<AskVote> = {}): AskVote => {
  return { type: 'ask-vote', epoch: 0, term, pre: false, transfer: false, last: end, ...changes }
}
const grant = (term: number, changes: Partial<Vote> = {}): Vote => {
  return { type: 'vote', epoch: 0, term, pre: false, granted: true, reason: '', ...changes }
}
const heartbeat = (term: number): Heartbeat => {
  return { type: 'heartbeat', epoch: 0, term, index: 0, version: 0, beat: 0, elapsedMs: 0, replicasAt: 0 }
}
const hardOf = ({ state: { term, vote } }: Driven) => [term, vote]
/** The latest answer that left. */
const answer = (driven: Driven, to: PeerId): [boolean, string] => {
  const vote = driven.sent(to, 'vote').at(-1) ?? assert.fail(`no answer to ${to}`)
  return [vote.granted, vote.reason]
}

describe('A voter that hears no leader', () => {
  it('asks first whether it would be chosen, which changes nothing for anyone (9.6)', () => {
    const candidate = voter(founder, three).timer('election')
    assert.deepEqual(hardOf(candidate), [1, null])
    assert.deepEqual(candidate.of('persist'), [])
    for (const peer of [other, third])
      assert.deepEqual(candidate.sent(peer, 'ask-vote'), [ask(2, { pre: true })])
    const asked = voter(other, three)
    const before = asked.state
    asked.from(founder, ask(2, { pre: true }))
    assert.deepEqual(answer(asked, founder), [true, 'its ledger is complete, and nobody leads'])
    assert.equal(asked.state, before)
    assert.deepEqual(asked.of('persist'), [])
    assert.deepEqual(asked.timers(), [])
  })

  it('asks in earnest once a majority would choose it, in a new term, with its own vote', () => {
    const candidate = voter(founder, three).timer('election').clear()
    candidate.prompt = false
    candidate.from(other, grant(2, { pre: true }))
    assert.deepEqual(hardOf(candidate), [2, founder])
    assert.deepEqual(candidate.left, [], 'nothing leaves before its vote is durable')
    assert.deepEqual(candidate.of('persist')[0].hard, { term: 2, vote: founder, epoch: 0 })
    candidate.flush()
    assert.deepEqual(candidate.sent(third, 'ask-vote'), [ask(2)])
  })

  it('does not raise its term while nobody would choose it, however often it asks (9.6)', () => {
    const candidate = voter(founder, three)
    for (let i = 0; i < 10; i++)
      candidate.timer('election').from(other, grant(1, { pre: true, granted: false }))
    assert.deepEqual(hardOf(candidate), [1, null])
  })

  it('leads with the votes of a majority, its own among them (5.2)', () => {
    const candidate = elect(voter(founder, three), other)
    assert.equal(candidate.lead.term, 2)
    const [noop] = candidate.entries()
    assert.ok(noop.kind === 'no-op')
    assert.match(noop.reason, /^nobody led; founder, other of 3 voters chose it$/)
  })

  it('does not lead with fewer: two of four, two of five, one of two', () => {
    for (const size of [2, 4, 5]) {
      const voters = [...three, peerId('id-d'), peerId('id-e')].slice(0, size)
      const votes = voters.slice(1, Math.floor(size / 2) + 1)
      assert.notEqual(elect(voter(founder, voters), ...votes).state.lead, null, `${size} voters`)
      const fewer = elect(voter(founder, voters), ...votes.slice(1))
      assert.equal(fewer.state.lead, null, `${size} voters`)
    }
  })

  it('leads alone at once where it alone votes', () => {
    assert.equal(voter(founder, [founder]).lead.term, 2)
  })

  it('counts a voter once, and nobody who does not vote', () => {
    const learner = peerId('id-learner')
    const five = [...three, peerId('id-d'), peerId('id-e')]
    const candidate = voter(founder, five, { learners: [learner] }).timer('election')
    for (const peer of [other, other, learner]) candidate.from(peer, grant(2, { pre: true }))
    assert.equal(candidate.state.term, 1)
    assert.ok(candidate.refused().some(({ what, reason }) => what === 'vote' && reason === 'it is no voter'))
    candidate.from(third, grant(2, { pre: true }))
    assert.equal(candidate.state.term, 2)
  })

  it('takes no vote for another term, or a promise for a vote', () => {
    const candidate = voter(founder, three)
      .timer('election')
      .from(other, grant(2, { pre: true }))
    candidate.from(other, grant(1)).from(other, grant(2, { pre: true }))
    assert.equal(candidate.state.lead, null)
    candidate.from(other, grant(2))
    assert.notEqual(candidate.state.lead, null)
  })

  it('is a candidate no more when it hears of a newer term, or a leader of its own (5.2)', () => {
    const late = voter(founder, three).timer('election')
    late.from(other, grant(5, { granted: false }))
    assert.deepEqual([...hardOf(late), late.state.campaign], [5, null, null])
    const second = voter(founder, three)
      .timer('election')
      .from(other, grant(2, { pre: true }))
    second.from(third, heartbeat(2))
    assert.deepEqual([second.state.leader, second.state.campaign], [third, null])
    second.from(other, grant(2))
    assert.equal(second.state.lead, null)
  })

  it('asks again after a while that is drawn anew each time, for votes may have been split (5.2)', () => {
    const candidate = voter(founder, three).timer('election').clear()
    candidate.timer('election')
    const [timer] = candidate.of('set-timer').filter(({ name }) => name === 'election')
    assert.ok((timer.spreadMs ?? 0) >= timer.afterMs)
  })
})

describe('A voter that is asked', () => {
  it('gives one vote per term, to whoever asks first (5.2)', () => {
    const driven = voter(other, three).from(founder, ask(2)).from(third, ask(2))
    assert.deepEqual(answer(driven, founder), [true, 'its ledger is complete, and nobody leads'])
    assert.deepEqual(answer(driven, third), [false, 'the vote of term 2 went to founder'])
    driven.clear().from(founder, ask(2))
    assert.equal(answer(driven, founder)[0], true, 'the same again to the same')
    driven.from(third, ask(3))
    assert.equal(answer(driven, third)[0], true, 'in a new term anew')
  })

  it('keeps to its vote after a restart', () => {
    const hard = { term: 2, vote: founder, epoch: 0 }
    const driven = voter(other, three, { hard }).from(third, ask(2))
    assert.equal(answer(driven, third)[0], false)
  })

  it('answers when its vote is durable, and not before', () => {
    const driven = voter(other, three)
    driven.prompt = false
    driven.from(founder, ask(2))
    assert.deepEqual(driven.left, [])
    assert.deepEqual(driven.of('persist')[0].hard, { term: 2, vote: founder, epoch: 0 })
    driven.flush()
    assert.equal(answer(driven, founder)[0], true)
  })

  it('refuses a candidate whose ledger is not as complete as its own, by term and then by length (5.4.1)', () => {
    const entry: Entry = { kind: 'validate', version: 0, loss: 1, index: end.index + 1, term: 1 }
    const driven = voter(other, three, { log: [entry] })
    const asked = (index: number, term: number) =>
      answer(driven.clear().from(founder, ask(driven.state.term + 1, { last: { index, term } })), founder)
    assert.deepEqual(asked(end.index, 1), [
      false,
      `its ledger ends at entry ${end.index} of term 1, the one here at ${end.index + 1} of term 1`,
    ])
    assert.equal(asked(end.index + 9, 0)[0], false)
    assert.equal(asked(end.index + 1, 1)[0], true)
    assert.equal(asked(1, 2)[0], true)
  })

  it('moves to the term of a candidate that it refuses for its ledger, so that it hears of no older one (5.1)', () => {
    const driven = voter(other, three).from(founder, ask(7, { last: { index: 0, term: 0 } }))
    assert.equal(answer(driven, founder)[0], false)
    assert.deepEqual(hardOf(driven), [7, null])
    driven.from(third, ask(6))
    assert.deepEqual(answer(driven, third), [false, 'term 6 is over; term 7 has begun'])
  })

  it('votes for a replica that has become a voter by entries which its own log lacks', () => {
    const newcomer = peerId('id-newcomer')
    const driven = voter(other, three, { learners: [newcomer] })
    const end = lastPoint(driven.state.replica ?? assert.fail())
    driven.from(newcomer, ask(2, { last: { index: end.index + 1, term: 1 } }))
    assert.equal(answer(driven, newcomer)[0], true)
  })

  it('refuses whoever holds no state, whatever term it names', () => {
    const stranger = peerId('id-stranger')
    const driven = voter(other, three).from(stranger, ask(99))
    assert.deepEqual(driven.refused(), [{ what: 'candidate', reason: 'it is no voter' }])
    assert.deepEqual([hardOf(driven), driven.left], [[1, null], []])
  })

  it('refuses a candidate of another epoch', () => {
    const driven = voter(other, three).from(founder, ask(99, { epoch: 1 }))
    assert.match(driven.refused()[0].reason, /it is of epoch 1; this run was recovered by force 0 times/)
    assert.equal(driven.state.term, 1)
  })

  it('refuses while it hears a leader, and does not even take up the newer term (9.6)', () => {
    const driven = voter(other, three).from(founder, heartbeat(2))
    driven.at += 2_000
    for (const pre of [true, false]) {
      driven.from(third, ask(9, { pre }))
      assert.deepEqual(answer(driven, third), [false, 'founder leads and is heard'])
    }
    assert.deepEqual(hardOf(driven), [2, null])
    driven.at += 600
    driven.from(third, ask(9))
    assert.equal(answer(driven, third)[0], true, 'once the leader has been silent for too long')
  })

  it('refuses as a leader, which does not step down for a candidate that a bad link has cut off', () => {
    const driven = elected(three).clear().from(third, ask(9))
    assert.deepEqual(answer(driven, third), [false, 'founder leads and is heard'])
    assert.equal(driven.lead.term, 2)
  })

  it('gives its vote where the leader itself asked for it (3.10)', () => {
    const driven = voter(other, three).from(founder, heartbeat(2))
    driven.from(third, ask(3, { transfer: true }))
    assert.equal(answer(driven, third)[0], true)
  })

  it('waits again before it asks itself', () => {
    const driven = voter(other, three).from(founder, ask(2))
    assert.deepEqual(driven.timers(), [['election', 2_500]])
  })
})

describe('The connection to the leader', () => {
  const following = () => voter(other, three).from(founder, heartbeat(2)).clear()

  it('that closes is a hint: the voter asks the others soon, and they decide', () => {
    const driven = following().event({ type: 'disconnected', peer: founder })
    assert.deepEqual(driven.timers(), [['election', 50]])
    driven.timer('election').from(third, grant(2, { pre: true, granted: false }))
    assert.deepEqual(hardOf(driven), [2, null])
    assert.equal(driven.state.leader, founder)
  })

  it('that closes leads to an election when the others hear nothing either', () => {
    const driven = following().event({ type: 'disconnected', peer: founder }).timer('election')
    driven.from(third, grant(3, { pre: true })).from(third, grant(3))
    const [noop] = driven.entries()
    assert.ok(noop.kind === 'no-op')
    assert.equal(noop.reason, 'founder, who led term 2, cannot be reached; other, third of 3 voters chose it')
  })

  it('that lasts while the leader is silent leads to one after the wait, with the reason', () => {
    const driven = following()
    driven.at += 2_400
    driven.timer('election')
    assert.deepEqual(driven.sent(third, 'ask-vote'), [], 'a timer that fires early is no silence')
    driven.at += 200
    driven.timer('election')
    assert.equal(driven.sent(third, 'ask-vote').length, 1)
    assert.equal(driven.state.campaign?.reason, 'founder, who led term 2, had been silent for 2.6 s')
  })
})

describe('A peer that is no voter', () => {
  it('never asks to lead', () => {
    const learner = peerId('id-learner')
    const driven = voter(learner, three, { learners: [learner] }).timer('election')
    driven.from(founder, heartbeat(2)).from(founder, { type: 'take-over', epoch: 0, term: 2 })
    assert.deepEqual([driven.sent(other, 'ask-vote'), hardOf(driven)], [[], [2, null]])
    assert.deepEqual(
      driven.timers().filter(([name]) => name === 'election'),
      [],
    )
  })

  it('votes all the same: the candidate may know of a configuration that it lacks (section 6)', () => {
    const learner = peerId('id-learner')
    const driven = voter(learner, three, { learners: [learner] })
    driven.from(founder, ask(2, { last: { index: end.index + 1, term: 1 } }))
    assert.equal(answer(driven, founder)[0], true)
  })
})

describe('Handing over', () => {
  it('lets the successor ask in earnest at once, and says so to the voters (3.10)', () => {
    const driven = voter(other, three).from(founder, heartbeat(2)).clear()
    driven.from(founder, { type: 'take-over', epoch: 0, term: 2 })
    assert.deepEqual(driven.sent(third, 'ask-vote'), [ask(3, { transfer: true })])
    driven.from(third, grant(3))
    const [noop] = driven.entries()
    assert.ok(noop.kind === 'no-op')
    assert.match(noop.reason, /^founder handed over to it; /)
  })
})

describe('While the voters change', () => {
  const [d, e] = [peerId('id-d'), peerId('id-e')]
  const joint = (next: readonly PeerId[]): Entry => {
    const reason = 'because'
    return { kind: 'configure', voters: three, next, epoch: 0, reason, index: end.index + 3, term: 1 }
  }

  it('a leader needs a majority of both sets, though the change is not committed (section 6)', () => {
    const candidate = voter(founder, three, { learners: [d, e], log: [joint([founder, d, e])] })
    elect(candidate, other, third)
    assert.equal(candidate.state.lead, null)
    candidate.timer('election').clear()
    elect(candidate, other, d)
    assert.notEqual(candidate.state.lead, null)
  })

  it('a leader counts on its lease only with answers of both', () => {
    const leader = voter(founder, three, { learners: [d, e], log: [joint([founder, d, e])] })
    elect(leader, other, d)
    leader.pass(3_000, [other, third])
    assert.equal(leader.state.lead, null, 'nobody of the new set answered')
  })
})

describe('A leader of the past', () => {
  it('steps down when it hears of a newer term, and keeps what it has (5.1)', () => {
    const driven = elected(three).clear()
    const { log } = driven.replica
    driven.from(third, heartbeat(5))
    assert.equal(driven.state.lead, null)
    assert.deepEqual([driven.state.term, driven.state.leader], [5, third])
    assert.deepEqual(driven.of('persist')[0].hard, { term: 5, vote: null, epoch: 0 })
    assert.deepEqual(driven.replica.log, log)
  })

  it('steps down when a voter answers it in a newer term, but not for anyone else', () => {
    const learner = peerId('id-learner')
    const driven = elected(three, { learners: [learner] }).clear()
    const answer = { type: 'appended', epoch: 0, term: 5, ok: false, index: 0 } as const
    driven.from(learner, answer)
    assert.equal(driven.lead.term, 2)
    driven.from(third, answer)
    assert.deepEqual([driven.state.lead, driven.state.term], [null, 5])
  })
})
