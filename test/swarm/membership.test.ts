// Who is in the run: late joiners, peers that are turned away, workers that are not replicas, who validates.
import assert from 'node:assert/strict'
import { quietNetwork } from '../../src/simulate/network.js'
import type { TraceLine } from '../../src/simulate/swarm.js'
import { appliedSince, equals, outcomes, record, simulate, trio, votersOf } from './swarms.js'

describe('A late joiner', () => {
  it('trains within one round of joining, whenever it joins', () => {
    for (let atMs = 2_000; atMs < 3_500; atMs += 50) {
      const swarm = simulate({ changes: { startPeers: 2 } })
      swarm.start('alice')
      swarm.start('bob')
      swarm.run(atMs)
      swarm.start('carol')
      swarm.run(60_000)
      const assigned = swarm.of('assigned').find(({ worker }) => worker === 'carol')
      assert.ok(assigned !== undefined)
      assert.ok(assigned.at - atMs <= 1_100, `joined at ${atMs} ms, assigned after ${assigned.at - atMs} ms`)
      assert.ok(appliedSince(swarm, atMs).has('carol'))
    }
  })

  it('takes part in an open grace window instead of closing it', () => {
    const swarm = simulate({ changes: { startPeers: 2, grace: 5 } })
    swarm.start('alice')
    swarm.start('bob')
    // Alice and Bob need 1.0 s and 0.9 s for the round: Bob has opened the window.
    swarm.runUntil(() => swarm.state('alice').lead?.window != null)
    swarm.start('carol')
    swarm.run(10_000)
    const carol = swarm.of('assigned').find(({ worker }) => worker === 'carol')
    const same = swarm.of('assigned').filter(({ window }) => window === carol?.window)
    assert.deepEqual(same.map(({ worker }) => worker).sort(), ['alice', 'bob', 'carol'])
    assert.equal(new Set(same.map(({ version }) => version)).size, 1)
  })
})

describe('A swarm short of its startPeers', () => {
  it('begins with those who are there once the time to gather is over', () => {
    const swarm = simulate()
    swarm.start('alice')
    swarm.start('bob')
    swarm.run(29_000)
    assert.deepEqual(swarm.of('assigned'), [])
    swarm.run(120_000)
    assert.deepEqual([...appliedSince(swarm, 0)].sort(), ['alice', 'bob'])
    assert.deepEqual(outcomes(swarm), { alice: 'finished', bob: 'finished', carol: null })
  })
})

describe('A peer that may not join', () => {
  it('is turned away if its name is taken', () => {
    const swarm = simulate({ devices: trio })
    swarm.startAll().run(1_000)
    swarm.inject('carol', 'alice', {
      type: 'join',
      name: 'bob',
      cluster: 'meadow',
      role: 'replica',
      speed: null,
      holding: [],
      log: null,
      addresses: [],
      through: null,
    })
    swarm.run(2_000)
    assert.equal(swarm.peers.get('carol')?.outcome, 'turned-away')
    assert.match(swarm.of('refused')[0].reason, /another peer of this run is named 'bob'/)
  })

  it('is turned away if the run has no such cluster', () => {
    const swarm = simulate()
    swarm.startAll().run(1_000)
    swarm.inject('carol', 'alice', {
      type: 'join',
      name: 'carol',
      cluster: 'forest',
      role: 'replica',
      speed: null,
      holding: [],
      log: null,
      addresses: [],
      through: null,
    })
    swarm.run(2_000)
    assert.equal(swarm.peers.get('carol')?.outcome, 'turned-away')
    assert.match(swarm.of('refused')[0].reason, /'forest' is not one of this run's: lake, meadow/)
  })

  it('is told that the run is over if it comes after the end', () => {
    const swarm = simulate({ changes: { startPeers: 2 } })
    swarm.start('alice')
    swarm.start('bob')
    swarm.runUntil(() => swarm.state('alice').replica?.ledger.finished != null)
    // Bob's account does not come, so that the leader still waits when carol asks.
    swarm.crash('bob')
    swarm.start('carol')
    swarm.run(swarm.clock.now + 5_000)
    assert.equal(swarm.peers.get('carol')?.outcome, 'turned-away')
  })
})

describe('A peer that leaves', () => {
  it('gives its round back at once', () => {
    const swarm = simulate({ changes: { localSteps: 30 } })
      .startAll()
      .run(2_000)
    swarm.stop('carol')
    swarm.run(2_100)
    const [left] = swarm.of('left')
    assert.deepEqual([left.name, left.reason], ['carol', 'stopped by its user'])
    swarm.run(120_000)
    assert.deepEqual(outcomes(swarm), { alice: 'finished', bob: 'finished', carol: 'stopped' })
  })

  it('does not leave the others waiting in a window that only it kept open', () => {
    for (let atMs = 900; atMs < 2_400; atMs += 25) {
      const swarm = simulate({ changes: { grace: 600 } })
        .startAll()
        .run(atMs)
      swarm.stop('carol')
      swarm.run(120_000)
      assert.equal(swarm.peers.get('alice')?.outcome, 'finished', `left at ${atMs} ms`)
      assert.ok(swarm.clock.now < 60_000, `left at ${atMs} ms, finished at ${swarm.clock.now} ms`)
    }
  })
})

describe('Workers that are not replicas', () => {
  const lossy = { ...quietNetwork, latencyMs: 2, betweenMs: 20, jitterMs: 30, loss: 0.2, duplication: 0.1 }

  it('finish although a fifth of all gossip is lost: assignments, verdicts and the end are told again', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const swarm = simulate({ network: lossy, seed, changes: { replicas: 1 } })
        .startAll()
        .run(600_000)
      assert.deepEqual(
        outcomes(swarm),
        { alice: 'finished', bob: 'finished', carol: 'finished' },
        `seed ${seed}`,
      )
      assert.equal(appliedSince(swarm, 0).size, 3)
      for (const name of ['bob', 'carol'])
        assert.deepEqual(
          swarm.of('digest').filter(({ peer, stateDigest }) => peer === name && stateDigest !== null),
          [],
          'holds theta alone',
        )
    }
  })

  it('fetch a version once, however many come after it meanwhile', () => {
    const lines: TraceLine[] = []
    const network = { ...quietNetwork, betweenMs: 900 }
    const swarm = simulate({ network, trace: record(lines) })
      .startAll()
      .run(120_000)
    const fetches = lines
      .filter(({ peer }) => peer === 'carol')
      .flatMap(({ effects }) =>
        effects.flatMap((effect) => (effect.type === 'fetch-theta' ? [effect.version] : [])),
      )
    const assigned = swarm.of('assigned').filter(({ worker }) => worker === 'carol')
    assert.ok(fetches.length <= assigned.length, `${fetches.length} fetches for ${assigned.length} rounds`)
  })

  it('get a round from a newer version when theirs cannot be had any more', () => {
    const swarm = simulate({ changes: { replicas: 1 } })
      .startAll()
      .run(1_500)
    // The leader comes back with its latest version only, while carol asks for an older one.
    swarm.crash('carol')
    swarm.crash('alice')
    swarm.start('alice')
    swarm.run(3_000)
    swarm.start('carol')
    swarm.run(120_000)
    assert.ok(appliedSince(swarm, 3_000).has('carol'))
    assert.deepEqual(outcomes(swarm), { alice: 'finished', bob: 'finished', carol: 'finished' })
  })
})

describe('A validator that is not the leader', () => {
  it('measures the first, the due and the last version, and the leader sums up with its losses', () => {
    const swarm = simulate({ changes: { validation: { by: 'carol', everyVersions: 6 }, replicas: 1 } })
      .startAll()
      .run(120_000)
    const by = swarm.of('validated')
    assert.deepEqual([...new Set(by.map(({ peer }) => peer))], ['carol'])
    assert.ok([6, 12, 18, 24].every((version) => by.some((report) => report.version === version)))
    const [end] = swarm.of('run-finished')
    assert.equal(end.loss, by.at(-1)?.loss)
    assert.equal(end.lossBefore, by[0].loss)
    assert.deepEqual(outcomes(swarm), { alice: 'finished', bob: 'finished', carol: 'finished' })
  })

  it('is not waited for if it never came', () => {
    const swarm = simulate({ changes: { validation: { by: 'dora' } } }).startAll()
    swarm.runUntil(() => swarm.state('alice').finishing !== null)
    const endsAt = swarm.clock.now
    swarm.run(120_000)
    assert.deepEqual(outcomes(swarm), { alice: 'finished', bob: 'finished', carol: 'finished' })
    assert.ok(swarm.clock.now - endsAt < 2_000)
    assert.equal(swarm.of('run-finished')[0].loss, null)
  })
})

describe('The stop rule', () => {
  for (const [stop, check] of [
    [{ versions: 7 }, { versions: 7 }],
    [{ steps: 100 }, {}],
    [{ tokens: 640 }, {}],
    [{ loss: 0.05 }, {}],
    [{ minutes: 0.2 }, {}],
  ] as const) {
    it(`ends the run at ${JSON.stringify(stop)}, and not a version later`, () => {
      const swarm = simulate({ changes: { stop } }).startAll().run(600_000)
      assert.deepEqual(outcomes(swarm), { alice: 'finished', bob: 'finished', carol: 'finished' })
      const [end] = swarm.of('run-finished')
      assert.equal(swarm.of('applied').length, end.versions)
      for (const [key, value] of Object.entries(check)) assert.equal(end[key as 'versions'], value)
      const before = swarm
        .of('applied')
        .slice(0, -1)
        .reduce((sum, { steps }) => sum + steps, 0)
      if ('steps' in stop) assert.ok(before < stop.steps && end.steps >= stop.steps)
      if ('tokens' in stop) assert.ok(before * 8 < stop.tokens && end.tokens >= stop.tokens)
      if ('loss' in stop) assert.ok(end.loss !== null && end.loss <= stop.loss)
      if ('minutes' in stop) assert.ok(end.seconds >= 12 && end.seconds < 15)
    })
  }

  it('is met exactly when all arrive at the same time', () => {
    const swarm = simulate({ devices: equals(8), changes: { startPeers: 8, stop: { versions: 13 } } })
    swarm.startAll().run(60_000)
    assert.equal(swarm.of('run-finished')[0].versions, 13)
  })
})

describe('A swarm with more peers than replicas', () => {
  it('outlives its voters one after the other: another member takes the place of each', () => {
    const swarm = simulate({ devices: equals(6), changes: { stop: { versions: 100_000 } } }).startAll()
    swarm.run(12_000)
    for (let losses = 0; losses < 3; losses++) {
      const voters = votersOf(swarm)
      assert.equal(voters.length, 3)
      const lost = voters[0]
      swarm.crash(lost)
      swarm.run(swarm.clock.now + 25_000)
      const after = votersOf(swarm)
      assert.ok(after.length === 3 && !after.includes(lost), `${lost} is lost, and ${after.join()} vote`)
    }
    const before = swarm.promises.ledger.version
    swarm.run(swarm.clock.now + 5_000)
    assert.ok(swarm.promises.ledger.version > before)
  })
})
