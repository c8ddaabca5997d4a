// Messages that are forged, stale or out of turn change nothing; what is wrong with them is reported.
import assert from 'node:assert/strict'
import type { Entry } from '../../src/core/entries.js'
import { assignmentId, type Hash, hash, peerId } from '../../src/core/ids.js'
import type { LeaderMessage, Manifest, Message } from '../../src/core/messages.js'
import { outcomes, simulate } from './swarms.js'

const digest = hash('0'.repeat(64))
const finished = { alice: 'finished', bob: 'finished', carol: 'finished' }

function manifestOf(changes: Partial<Manifest>): Manifest {
  return {
    assignment: assignmentId(1),
    base: 0,
    steps: 10,
    codec: 'fp32',
    payload: digest,
    bytes: 32,
    chunkBytes: 32,
    chunks: [digest],
    norm: 1,
    speed: 10,
    loss: 1,
    ...changes,
  }
}

/**
 * A run in which `from` sends `message` to `to` every 100 ms, and what `to` reported as refused from it. Alice alone is
 * a replica, for workers may lie, and replicas may not.
 */
function under(from: string, to: string, make: (swarm: ReturnType<typeof simulate>) => Message) {
  const swarm = simulate({ changes: { replicas: 1 } })
    .startAll()
    .run(1_300)
  const before = swarm.of('applied').length
  for (let i = 0; i < 10; i++) {
    swarm.inject(from, to, make(swarm))
    swarm.run(swarm.clock.now + 100)
  }
  const refused = swarm.of('refused').filter(({ peer }) => peer === to)
  swarm.run(120_000)
  assert.ok(swarm.of('applied').length > before)
  assert.deepEqual(outcomes(swarm), finished)
  assert.equal(swarm.of('run-finished')[0].versions, 24)
  return { swarm, refused }
}

const openOf = (swarm: ReturnType<typeof simulate>, worker: string) =>
  Object.values(swarm.state('alice').lead?.head.open ?? {}).find((assignment) => assignment.worker === worker)

describe('What only a leader may say', () => {
  const fenced = { epoch: 0, term: 9 }
  const beat = { index: 999, version: 999, beat: 0, elapsedMs: 0, replicasAt: 0 }
  const finish: Entry = { kind: 'finish', index: 999, term: 9, reason: 'because', ok: false }
  const evict: Entry = {
    kind: 'evict',
    index: 999,
    term: 9,
    peer: peerId('id-carol'),
    left: true,
    reason: 'because',
  }
  const snapshot = { version: 7, stateDigest: digest }
  const forged: [string, LeaderMessage][] = [
    ['a heartbeat of a higher term', { type: 'heartbeat', ...fenced, ...beat }],
    ['a heartbeat of a higher epoch', { type: 'heartbeat', ...fenced, ...beat, epoch: 3 }],
    ['a finish', { type: 'entries', ...fenced, entries: [finish] }],
    ['an eviction', { type: 'entries', ...fenced, entries: [evict] }],
    [
      'entries for its log',
      { type: 'append', ...fenced, prev: { index: 2, term: 1 }, entries: [], commit: 999 },
    ],
    ['a welcome', { type: 'welcome', ...fenced, replica: true, replicas: [], replicasAt: 0, snapshot }],
    ['a refusal', { type: 'turned-away', ...fenced, reason: 'because' }],
    [
      'a verdict',
      { type: 'settled', ...fenced, assignment: assignmentId(1), outcome: 'refuse', version: null },
    ],
    ['a version', { type: 'version', ...fenced, version: 1, digest, stateDigest: digest }],
    ['a call to heal', { type: 'heal', ...fenced, version: 1, stateDigest: digest }],
    ['a call to lead', { type: 'take-over', ...fenced }],
  ]
  for (const [what, message] of forged) {
    it(`is refused from a worker, by workers and by the leader: ${what}`, () => {
      for (const to of ['carol', 'alice']) {
        const { swarm, refused } = under('bob', to, () => message)
        assert.equal(refused.length, 10)
        assert.ok(refused.every(({ reason }) => reason === 'it is no voter'))
        assert.deepEqual(swarm.of('left'), [])
        assert.deepEqual(swarm.of('deposed'), [])
      }
    })
  }

  it('is refused in the name of the one who leads', () => {
    const { refused } = under('bob', 'carol', () => ({ type: 'heartbeat', ...fenced, ...beat, term: 1 }))
    assert.ok(refused.every(({ reason }) => reason === 'it is not the leader'))
  })

  it('is refused once its term is over', () => {
    const swarm = simulate().startAll().run(1_500)
    swarm.crash('alice')
    swarm.start('alice')
    swarm.run(4_000)
    swarm.inject('alice', 'carol', { type: 'entries', ...fenced, term: 1, entries: [{ ...finish, term: 1 }] })
    swarm.run(4_010)
    assert.match(swarm.of('refused')[0].reason, /term 1 is over; term 2 has begun/)
    swarm.run(120_000)
    assert.deepEqual(outcomes(swarm), finished)
  })
})

describe('An election', () => {
  const last = { index: 1e6, term: 1e6 }
  const ask: Message = { type: 'ask-vote', epoch: 0, term: 99, pre: false, transfer: true, last }
  const vote: Message = { type: 'vote', epoch: 0, term: 99, pre: false, granted: false, reason: '' }

  it('is not begun, won or disturbed by those who do not vote', () => {
    for (const message of [ask, vote]) {
      const { swarm, refused } = under('bob', 'alice', () => message)
      assert.ok(refused.every(({ from, reason }) => from === 'bob' && reason === 'it is no voter'))
      assert.deepEqual([swarm.state('alice').term, swarm.of('deposed')], [1, []])
    }
  })

  it('cannot be forced by redirections: whoever is named has to say so itself', () => {
    const { swarm } = under('bob', 'carol', () => ({
      type: 'redirect',
      epoch: 0,
      term: 99,
      leader: peerId('id-bob'),
      replicas: [],
    }))
    assert.equal(swarm.state('carol').term, 1)
  })
})

describe('A contribution', () => {
  it('is refused for an assignment that was given to another', () => {
    const { refused } = under('bob', 'alice', (swarm) => ({
      type: 'offer',
      manifest: manifestOf({ assignment: openOf(swarm, 'id-carol')?.id ?? assignmentId(1) }),
    }))
    assert.ok(refused.length > 0)
    assert.ok(refused.every(({ from, what }) => from === 'bob' && what.startsWith('contribution')))
  })

  it('is refused for an assignment that never was', () => {
    const { refused } = under('bob', 'alice', () => ({
      type: 'offer',
      manifest: manifestOf({ assignment: assignmentId(12345) }),
    }))
    assert.equal(refused[0].reason, 'a12345: no such assignment is open')
  })

  it('is pulled once at a time, however many payloads are offered for one assignment', () => {
    let count = 0
    const pulls: number[] = []
    const swarm = simulate({
      changes: { localSteps: 50 },
      trace: ({ peer, effects }) => {
        if (peer === 'alice') pulls.push(effects.filter(({ type }) => type === 'pull-contribution').length)
      },
    })
    swarm.startAll().run(1_000)
    for (let i = 0; i < 500; i++) {
      const payload = String(count++).padStart(64, '0') as Hash
      const { id, base, steps } = openOf(swarm, 'id-bob') ?? assert.fail('bob has no round')
      swarm.inject('bob', 'alice', {
        type: 'offer',
        manifest: manifestOf({ assignment: id, base, steps, payload }),
      })
    }
    swarm.run(1_005)
    assert.equal(
      pulls.reduce((sum, pull) => sum + pull, 0),
      1,
    )
    swarm.run(120_000)
    assert.deepEqual(outcomes(swarm), finished)
  })
})

describe('A worker', () => {
  it("cannot give up another one's round", () => {
    const { swarm } = under('bob', 'alice', (running) => ({
      type: 'give-up',
      assignment: openOf(running, 'id-carol')?.id ?? assignmentId(1),
      reason: 'because',
    }))
    assert.deepEqual(swarm.of('expired'), [])
  })

  it('cannot validate unless the run names it', () => {
    const { swarm, refused } = under('bob', 'alice', () => ({ type: 'validated', version: 1e9, loss: 1e-9 }))
    assert.ok(
      refused.every(
        ({ what, reason }) => what === 'validation' && reason === 'a replica validates in this run',
      ),
    )
    assert.ok(swarm.of('run-finished')[0].loss !== 1e-9)
  })

  it('that validates cannot validate a version that does not exist', () => {
    const swarm = simulate({ changes: { validation: { by: 'bob' }, stop: { loss: 1e-6, versions: 24 } } })
    swarm.startAll().run(1_300)
    swarm.inject('bob', 'alice', { type: 'validated', version: 1_000, loss: 1e-9 })
    swarm.run(120_000)
    assert.match(swarm.of('refused')[0].reason, /version 1000 does not exist yet/)
    assert.equal(swarm.of('run-finished')[0].versions, 24)
  })

  it('is told everything again only as a member', () => {
    const stranger = simulate()
    stranger.start('alice')
    stranger.run(500)
    stranger.inject('carol', 'alice', {
      type: 'pulse',
      epoch: 0,
      term: 1,
      beat: 0,
      index: 0,
      held: { version: 0, stateDigest: digest },
      phase: 'idle',
      assignments: [],
      step: 0,
    })
    stranger.inject('carol', 'alice', {
      type: 'farewell',
      utilisation: 1,
      emulated: 0,
      bytesSent: {},
      interClusterBytes: 0,
    })
    stranger.run(600)
    const lead = stranger.state('alice').lead
    assert.deepEqual(Object.keys(lead?.heardAt ?? {}), ['id-alice'])
    assert.deepEqual(lead?.farewells, {})
  })

  it('loses nothing by joining again and again, nor by answering for a term that is over', () => {
    const join: Message = {
      type: 'join',
      name: 'bob',
      cluster: 'lake',
      speed: 7,
      holding: [],
      log: null,
      addresses: [],
      role: 'replica',
    }
    const { swarm } = under('bob', 'alice', () => join)
    assert.deepEqual(swarm.of('expired'), [])
    assert.equal(swarm.of('joined').length, 3)
  })
})

describe('A bit that flips in memory', () => {
  const withThreeVoters = () => {
    const swarm = simulate({ changes: { stop: { versions: 60 } } }).startAll()
    return swarm.runUntil(() => swarm.state('alice').replica?.ledger.configuration.voters.length === 3)
  }
  const last = (swarm: ReturnType<typeof simulate>, name: string) =>
    swarm.of('digest').findLast(({ peer }) => peer === name)?.stateDigest

  it('of a voter is found by its digests: it says so, and goes on from the snapshot of the leader', () => {
    const swarm = withThreeVoters()
    swarm.corrupt('carol')
    swarm.run(120_000)
    const wrong = swarm.of('refused').filter(({ what }) => what === 'own outer state')
    assert.deepEqual(
      wrong.map(({ peer }) => peer),
      ['carol'],
    )
    assert.match(
      wrong[0].reason,
      /version \d+ has digest \w{12} here and \w{12} on most voters; starting again/,
    )
    assert.equal(last(swarm, 'carol'), last(swarm, 'alice'))
    assert.deepEqual(outcomes(swarm), finished)
  })

  it('of the leader costs it its place: it heals like any other, and the run goes on', () => {
    const swarm = withThreeVoters()
    swarm.corrupt('alice')
    swarm.run(120_000)
    const [deposed] = swarm.of('deposed')
    assert.equal(deposed.peer, 'alice')
    assert.match(deposed.reason, /version \d+ is another on (bob and carol|carol and bob), the majority/)
    assert.notEqual(swarm.of('run-finished').at(-1)?.peer, 'alice')
    assert.equal(last(swarm, 'alice'), last(swarm, 'bob'))
    assert.deepEqual(outcomes(swarm), finished)
  })
})
