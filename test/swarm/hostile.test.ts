// Messages that are forged, stale or out of turn change nothing; what is wrong with them is reported.
import assert from 'node:assert/strict'
import { assignmentId, type Hash, hash, peerId } from '../../src/core/ids.js'
import type { Manifest, Message } from '../../src/core/messages.js'
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

/** A run in which `from` sends `message` to `to` every 100 ms, and what `to` reported as refused from it. */
function under(from: string, to: string, make: (swarm: ReturnType<typeof simulate>) => Message) {
  const swarm = simulate().startAll().run(1_300)
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
  const forged: [string, Message][] = [
    ['a heartbeat of a higher term', { type: 'heartbeat', term: 9, index: 999, version: 999 }],
    [
      'a finish',
      {
        type: 'entries',
        term: 9,
        entries: [{ kind: 'finish', index: 999, term: 9, reason: 'because', ok: false }],
      },
    ],
    [
      'an eviction',
      {
        type: 'entries',
        term: 1,
        entries: [{ kind: 'evict', index: 999, term: 1, peer: peerId('id-carol'), reason: 'because' }],
      },
    ],
    ['a welcome', { type: 'welcome', term: 1, replica: true, snapshot: { version: 7, stateDigest: digest } }],
    ['a refusal', { type: 'turned-away', term: 1, reason: 'because' }],
    ['a version', { type: 'version', term: 1, version: 1, digest, stateDigest: digest }],
  ]
  for (const [what, message] of forged) {
    it(`is refused from another: ${what}`, () => {
      const { swarm, refused } = under('bob', 'carol', () => message)
      assert.equal(refused.length, 10)
      assert.ok(refused.every(({ reason }) => reason === 'it is not the leader'))
      assert.deepEqual(swarm.of('left'), [])
    })
  }

  it('is refused once its term is over', () => {
    const swarm = simulate().startAll().run(1_500)
    swarm.crash('alice')
    swarm.start('alice')
    swarm.run(4_000)
    swarm.inject('alice', 'carol', {
      type: 'entries',
      term: 1,
      entries: [{ kind: 'finish', index: 999, term: 1, reason: 'because', ok: false }],
    })
    swarm.run(4_010)
    assert.match(swarm.of('refused')[0].reason, /term 1 is over; term 2 has begun/)
    swarm.run(120_000)
    assert.deepEqual(outcomes(swarm), finished)
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
    assert.equal(refused[0].reason, 'no such assignment is open')
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
      refused.every(({ what, reason }) => what === 'validation' && reason === 'alice validates in this run'),
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
    const swarm = simulate({ changes: { startPeers: 2 } })
    swarm.start('alice')
    swarm.start('bob')
    swarm.run(2_000)
    swarm.start('carol')
    const stranger = simulate()
    stranger.start('alice')
    stranger.run(500)
    stranger.inject('carol', 'alice', { type: 'want-entries', from: 1 })
    stranger.inject('carol', 'alice', {
      type: 'pulse',
      term: 1,
      index: 0,
      held: null,
      phase: 'idle',
      assignment: null,
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
      holding: null,
      index: null,
    }
    const { swarm } = under('bob', 'alice', () => join)
    assert.deepEqual(swarm.of('expired'), [])
    assert.equal(swarm.of('joined').length, 3)
  })
})

describe("A replica whose state is not the leader's", () => {
  it("notices, says so, and goes on from the leader's snapshot", () => {
    const swarm = simulate().startAll().run(2_000)
    const { memory } = swarm.peers.get('carol') ?? assert.fail()
    const { replica } = swarm.state('carol')
    assert.ok(memory !== null && replica !== null)
    // A flipped bit in memory: carol's next version differs.
    const held = memory.snapshots.get(replica.applied)
    assert.ok(held !== undefined)
    held.outer.slots.momentum[0] += 1
    memory.snapshots.set(replica.applied, {
      ...held,
      outer: { ...held.outer, theta: held.outer.theta.map((x) => x + 1) },
    })
    // The promise is about voters; this replica is sick on purpose.
    swarm.promises.check = () => {}
    swarm.run(120_000)
    const wrong = swarm
      .of('refused')
      .filter(({ peer, what }) => peer === 'carol' && what === 'own outer state')
    assert.equal(wrong.length, 1)
    assert.match(wrong[0].reason, /version \d+ has digest \w{12} here and \w{12} at the leader/)
    const last = (name: string) => swarm.of('digest').findLast(({ peer }) => peer === name)?.stateDigest
    assert.equal(last('carol'), last('alice'))
    assert.deepEqual(outcomes(swarm), finished)
  })
})
