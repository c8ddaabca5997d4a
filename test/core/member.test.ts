// A member's decisions: finding and following the leader, working.
import assert from 'node:assert/strict'
import type { Entry } from '../../src/core/entries.js'
import { assignmentId, peerId } from '../../src/core/ids.js'
import type { Join, LeaderMessage, Redirect } from '../../src/core/messages.js'
import {
  admission,
  Driven,
  digestOf,
  founder,
  heldAfter,
  manifestOf,
  other,
  setupOf,
  third,
} from './driven.js'
import {
  append,
  apply,
  asReplica,
  assign,
  entries,
  fenced,
  heartbeat,
  installed,
  ledger,
  member,
  round,
  start,
  welcome,
} from './joined.js'

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

describe('A validator', () => {
  it('does not try a version again that could not be validated, and the run can still end', () => {
    const driven = new Driven(setupOf(founder, { stop: { versions: 1 }, validation: { everyVersions: 1 } }))
    driven.start()
    for (let i = 0; i < 3; i++) driven.event({ type: 'validation-failed', version: 0, reason: 'no memory' })
    assert.equal(driven.of('validate').length, 1)
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
