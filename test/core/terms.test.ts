// Whose word counts as a leader's, and what stays when another one leads.
import assert from 'node:assert/strict'
import type { Entry } from '../../src/core/entries.js'
import { peerId } from '../../src/core/ids.js'
import type { LeaderMessage } from '../../src/core/messages.js'
import { admission, digestOf, founder, manifestOf, third } from './driven.js'
import { append, assign, entries, fenced, heartbeat, member, round, start, welcome } from './joined.js'

describe('What a leader says', () => {
  it('counts only from a voter, or a replica that may have become one', () => {
    for (const replica of [true, false]) {
      const driven = member(replica).from(peerId('id-stranger'), heartbeat({ term: 9 }))
      assert.deepEqual(driven.refused(), [{ what: 'heartbeat', reason: 'it is no voter' }])
      assert.deepEqual([driven.state.term, driven.state.leader], [1, founder])
    }
  })

  it('counts no more from a replica that was let go: it may be back as a mere worker', () => {
    const evict: Entry = {
      kind: 'evict',
      peer: third,
      reason: 'it left',
      left: true,
      index: start + 1,
      term: 1,
    }
    const driven = append(member(true), [evict]).from(third, heartbeat({ term: 9 }))
    assert.deepEqual(driven.refused(), [{ what: 'heartbeat', reason: 'it is no voter' }])
  })

  it('counts no more from a replica that became a worker, whoever else is named as one after that', () => {
    const demoted: Entry = { ...admission(third, false), index: start + 1, term: 1 }
    const driven = append(member(true), [demoted])
    driven.at += 60_000
    driven.timer('rejoin')
    const replicas = [founder].map((peer) => ({ peer, addresses: [] }))
    driven.from(founder, { type: 'redirect', ...fenced, leader: founder, replicas })
    driven.from(third, heartbeat({ term: 9 }))
    assert.deepEqual(driven.refused(), [{ what: 'heartbeat', reason: 'it is no voter' }])
  })

  it('counts only from the one leader of a term (5.2)', () => {
    const driven = member(true).from(third, heartbeat())
    assert.deepEqual(driven.refused(), [{ what: 'heartbeat', reason: 'it is not the leader' }])
    assert.equal(driven.state.leader, founder)
  })

  it('counts no more once a later term has begun (5.1)', () => {
    const driven = member(true)
      .from(third, heartbeat({ term: 2 }))
      .clear()
    const late: LeaderMessage[] = [
      heartbeat(),
      welcome(),
      { type: 'turned-away', ...fenced, reason: '' },
      { type: 'entries', ...fenced, entries: [{ kind: 'finish', ok: true, reason: '', index: 9, term: 1 }] },
      { type: 'take-over', ...fenced },
      { type: 'heal', ...fenced, version: 0, stateDigest: digestOf(9) },
    ]
    for (const message of late) driven.from(founder, message)
    assert.deepEqual(
      driven.refused().map(({ reason }) => reason),
      late.map(() => 'term 1 is over; term 2 has begun'),
    )
    assert.deepEqual([driven.state.leader, driven.state.ended, driven.state.finishing], [third, false, null])
  })

  it('of a later term makes its sender the leader, which is durable before anything is said to it', () => {
    const driven = member(true)
    driven.prompt = false
    driven.from(third, heartbeat({ term: 2 }))
    assert.deepEqual([driven.state.term, driven.state.leader], [2, third])
    assert.deepEqual(driven.of('persist')[0].hard, { term: 2, vote: null, epoch: 0 })
  })

  it('of an earlier epoch is void, whatever its term', () => {
    const driven = member(true)
      .from(third, heartbeat({ epoch: 1, term: 1 }))
      .clear()
    driven.from(founder, heartbeat({ term: 99 }))
    assert.match(driven.refused()[0].reason, /this run was recovered by force since; epoch 0 is over/)
  })

  it('of a later epoch ends what the replica holds, for that may contradict it', () => {
    const driven = member(true).from(third, heartbeat({ epoch: 1, term: 1 }))
    assert.equal(driven.state.replica, null)
    assert.equal(driven.refused()[0].what, 'own ledger')
    driven.clear().timer('rejoin')
    assert.equal(driven.sent(third, 'join')[0].log, null)
  })
})

describe('A member whose leader changes', () => {
  it('offers the new one what no verdict came for', () => {
    const driven = member(false)
    entries(driven, assign(round, start + 1)).event({ type: 'theta-ready', version: 0 })
    driven.event({ type: 'trained', manifest: manifestOf(round) })
    driven.clear().from(third, heartbeat({ term: 2 }))
    assert.deepEqual(driven.of('set-timer').find(({ name }) => name === 'reoffer')?.afterMs, 0)
    driven.timer('reoffer')
    assert.deepEqual(driven.sent(third, 'offer')[0].manifest.assignment, round.id)
  })

  it('goes on with its round: work outlives the leader that asked for it', () => {
    const driven = member(false)
    entries(driven, assign(round, start + 1)).event({ type: 'theta-ready', version: 0 })
    driven.clear().from(third, heartbeat({ term: 2 }))
    assert.deepEqual(driven.of('abort-training'), [])
    assert.deepEqual(driven.sent(third, 'pulse')[0].assignments, [round.id])
  })

  it('brings back to each leader the clock of its own heartbeat', () => {
    const driven = member(true)
      .from(founder, heartbeat({ beat: 41 }))
      .from(third, heartbeat({ term: 2, beat: 7 }))
    assert.deepEqual([driven.sent(founder, 'pulse')[0].beat, driven.sent(third, 'pulse')[0].beat], [41, 7])
  })
})
