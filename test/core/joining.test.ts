// How a peer comes into its run: it starts, looks for the leader, asks to be taken in, and again once it has moved.
import assert from 'node:assert/strict'
import { type PeerId, peerId } from '../../src/core/ids.js'
import type { Join, Redirect } from '../../src/core/messages.js'
import { Driven, founder, heldAfter, ledgerOf, other, setupOf, third } from './driven.js'
import { asReplica, assign, fenced, ledger, member, round, start, welcome } from './joined.js'

describe('A peer that starts', () => {
  it('asks to be taken in only when everything local is ready, and again until it is', () => {
    const driven = new Driven(setupOf(other))
    driven.event({ type: 'connected', peer: founder })
    assert.deepEqual(driven.sent(founder, 'join'), [])
    driven.event({ type: 'started', speed: 10, holding: [] })
    assert.equal(driven.sent(founder, 'join').length, 1)
    driven.at = 1_000
    driven.timer('rejoin')
    assert.equal(driven.sent(founder, 'join').length, 2)
  })

  it('is subscribed to its assignments before it joins', () => {
    const driven = new Driven(setupOf(other)).event({ type: 'started', speed: 10, holding: [] })
    assert.deepEqual(
      driven.of('subscribe').map(({ topic }) => topic),
      [{ kind: 'assignments', cluster: 'lake' }],
    )
  })

  it('as a replica with what its disk kept says where its log ends, and calls the others', () => {
    const log = [assign({ ...round, worker: founder }, start + 1)]
    const driven = new Driven(setupOf(other, {}, heldAfter(ledger, { log }))).start(founder)
    assert.deepEqual(driven.sent(founder, 'join')[0].log, { index: start + 1, term: 1 })
    assert.deepEqual(
      driven.of('call').map(({ peer }) => peer),
      [founder, third],
    )
    assert.deepEqual(
      driven.of('subscribe').map(({ topic }) => topic.kind),
      ['assignments', 'ledger', 'gradients', 'gradients'],
    )
  })

  it('never votes, nor leads, where it holds nothing: fresh peers alone are no quorum', () => {
    const driven = new Driven(setupOf(other)).start(founder, third).timer('election')
    const ask = {
      type: 'ask-vote',
      epoch: 0,
      pre: false,
      transfer: false,
      last: { index: 9, term: 9 },
    } as const
    driven.from(third, { ...ask, term: 1 })
    assert.deepEqual(
      [driven.sent(third, 'vote'), driven.sent(third, 'ask-vote'), driven.state.term],
      [[], [], 0],
    )
  })
})

describe('Whoever looks for the leader', () => {
  const redirect = (changes: Partial<Redirect> = {}): Redirect => {
    return { type: 'redirect', ...fenced, leader: third, replicas: [], ...changes }
  }
  const joins = (driven: Driven, peer = third): Join[] => driven.sent(peer, 'join')

  it('asks the one that another names, and does not believe before that one answers', () => {
    const driven = new Driven(setupOf(other)).start(founder, third).clear().from(founder, redirect())
    assert.equal(joins(driven).length, 1)
    assert.deepEqual([driven.state.leader, driven.state.joined], [null, false])
  })

  it('calls the replicas that it hears of, where it is not connected to them yet', () => {
    const replicas = [founder, third, other].map((peer) => ({ peer, addresses: ['/ip4/10.0.0.1/tcp/1'] }))
    const driven = new Driven(setupOf(other)).start(founder).clear().from(founder, redirect({ replicas }))
    assert.deepEqual(driven.of('call'), [{ type: 'call', peer: third, addresses: ['/ip4/10.0.0.1/tcp/1'] }])
    assert.deepEqual(joins(driven), [], 'it asks once they are connected')
    assert.equal(joins(driven.event({ type: 'connected', peer: third })).length, 1)
  })

  it('is not sent in circles: to itself, to nobody, or to whom it has asked', () => {
    const driven = new Driven(setupOf(other)).start(founder, third).clear()
    for (const leader of [null, other, founder]) driven.from(founder, redirect({ leader }))
    assert.deepEqual(driven.left, [])
  })

  it('that was taken in listens to no redirection', () => {
    assert.deepEqual(member(true).from(third, redirect({ term: 9 })).left, [])
  })

  it('and does not lead itself says who does, as far as it knows', () => {
    const join: Join = {
      type: 'join',
      name: 'late',
      cluster: 'lake',
      role: 'replica',
      speed: 1,
      holding: [],
      log: null,
      addresses: [],
      through: null,
    }
    const late = peerId('id-late')
    const [answer] = member(true).from(late, join).sent(late, 'redirect')
    assert.equal(answer.leader, founder)
    assert.deepEqual(
      answer.replicas.map(({ peer }) => peer),
      [founder, third, other],
    )
  })
})

describe('A member that is reached elsewhere than before', () => {
  it('asks its leader to be admitted with its new addresses, and again until it is', () => {
    const driven = member(true)
    const before = driven.sent(founder, 'join').length
    driven.event({ type: 'moved', addresses: ['/ip4/45.0.0.7/tcp/1'] })
    const joins = driven.sent(founder, 'join').slice(before)
    assert.deepEqual(
      joins.map(({ addresses }) => addresses),
      [['/ip4/45.0.0.7/tcp/1']],
    )
    driven.timer('rejoin')
    assert.equal(driven.sent(founder, 'join').length, before + 2)
    driven.from(founder, welcome({ replica: true }))
    driven.timer('rejoin')
    assert.equal(driven.sent(founder, 'join').length, before + 2)
  })
})

describe('A peer that was away until all whom it knows were replaced', () => {
  const stranger = peerId('id-stranger')
  const replicas = [{ peer: stranger, addresses: [] }]
  const greeting = welcome({ term: 7, replicas, ...asReplica })
  /** What its disk kept is of a run that others voted in, or it too; they are gone, and the stranger leads. */
  function back(voters: readonly PeerId[]): Driven {
    const held = heldAfter(ledgerOf([founder, third, other], voters))
    return new Driven(setupOf(other, {}, held)).start(stranger).from(stranger, greeting)
  }

  it('believes nobody before those have been silent for as long as a lost peer', () => {
    const driven = back([founder])
    driven.at = 9_000
    driven.timer('rejoin').from(stranger, greeting)
    assert.equal(driven.state.joined, false)
    assert.deepEqual(driven.refused().at(-1), { what: 'welcome', reason: 'it is no voter' })
  })

  it('says so, and joins anew as if it had never been there', () => {
    const driven = back([founder])
    driven.at = 11_000
    driven.clear().timer('rejoin')
    const told = driven
      .of('report')
      .flatMap(({ report }) => (report.type === 'warning' ? [report.message] : []))
    assert.match(told.join(), /^None of those who led this run .* id-stranger says that it does/)
    assert.equal(driven.sent(stranger, 'join')[0].log, null)
    assert.deepEqual(driven.of('forget-replica'), [], 'what its disk has stays there')
    driven.from(stranger, greeting)
    assert.deepEqual([driven.state.joined, driven.state.leader], [true, stranger])
  })

  it('does so as a mere worker, too', () => {
    const driven = member(false)
    driven.at = 11_000
    driven.timer('rejoin').from(stranger, greeting)
    assert.equal(driven.state.joined, false)
    driven.timer('rejoin').from(stranger, greeting)
    assert.equal(driven.state.joined, true)
  })

  it('does not where it is one of the voters: the run may need what it holds', () => {
    const driven = back([founder, third, other])
    for (driven.at = 11_000; driven.at < 60_000; driven.at += 1_000)
      driven.timer('rejoin').from(stranger, greeting)
    assert.equal(driven.state.joined, false)
    assert.notEqual(driven.state.replica, null)
  })

  it('does not while nobody else says that it leads: the network may be gone', () => {
    const held = heldAfter(ledgerOf([founder, third, other], [founder]))
    const driven = new Driven(setupOf(other, {}, held)).start(stranger)
    driven.at = 60_000
    driven.timer('rejoin')
    assert.notEqual(driven.state.replica, null)
  })
})
