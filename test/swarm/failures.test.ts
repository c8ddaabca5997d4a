// Rounds that come to nothing: engines that fail, contributions that are no good, steps that never end.
import assert from 'node:assert/strict'
import type { Sabotage } from '../../src/simulate/rounds.js'
import { appliedSince, outcomes, simulate } from './swarms.js'

const always = (name: string, kind: Sabotage) => (peer: string) => (peer === name ? kind : null)

describe('A worker whose engine always fails', () => {
  const swarm = simulate({
    changes: { stop: { versions: 60 } },
    sabotage: always('carol', 'engine-fails'),
  })
    .startAll()
    .run(300_000)

  it('does not keep the others from finishing', () => {
    assert.equal(swarm.of('run-finished')[0].versions, 60)
    assert.deepEqual([...appliedSince(swarm, 0)].sort(), ['alice', 'bob'])
  })

  it('rests longer after each failure instead of filling the ledger', () => {
    const at = swarm.of('expired').map((report) => report.at)
    assert.ok(at.length > 2 && at.length < 10, `${at.length} failures`)
    const gaps = at.slice(1).map((time, i) => time - at[i])
    for (let i = 1; i < gaps.length; i++) assert.ok(gaps[i] > gaps[i - 1], gaps.join(' '))
    assert.ok(gaps[gaps.length - 1] > 4 * gaps[0], gaps.join(' '))
  })
})

describe('A worker whose contributions are not finite', () => {
  it('is refused with the reason, rests, and is taken again when they are', () => {
    let bad = 3
    const swarm = simulate({
      changes: { stop: { versions: 60 } },
      sabotage: (peer) => (peer === 'bob' && bad-- > 0 ? 'not-finite' : null),
    })
      .startAll()
      .run(300_000)
    const refused = swarm.of('refused').filter(({ what }) => what.startsWith('contribution'))
    assert.equal(refused.length, 3)
    for (const { from, reason } of refused) {
      assert.equal(from, 'bob')
      assert.match(reason, /NaN/)
    }
    assert.ok(appliedSince(swarm, 0).has('bob'))
    assert.deepEqual(outcomes(swarm), { alice: 'finished', bob: 'finished', carol: 'finished' })
  })

  it('is refused when the norm is not the one its manifest states', () => {
    const swarm = simulate({ sabotage: always('bob', 'wrong-norm') })
      .startAll()
      .run(300_000)
    assert.ok(swarm.of('refused').some(({ reason }) => /norm/.test(reason)))
    assert.ok(!appliedSince(swarm, 0).has('bob'))
  })
})

describe('A run in which every worker fails', () => {
  it('ends as failed on every peer, with the reason', () => {
    const swarm = simulate({ sabotage: () => 'engine-fails' })
      .startAll()
      .run(120_000)
    assert.deepEqual(outcomes(swarm), { alice: 'failed', bob: 'failed', carol: 'failed' })
    assert.match(swarm.of('run-finished')[0].reason, /every worker failed: given up: the engine failed/)
    assert.ok(swarm.clock.now < 60_000)
  })

  it('goes on as long as one of them does not', () => {
    const swarm = simulate({ sabotage: (peer) => (peer === 'carol' ? null : 'engine-fails') })
      .startAll()
      .run(300_000)
    assert.deepEqual(outcomes(swarm), { alice: 'finished', bob: 'finished', carol: 'finished' })
    assert.deepEqual([...appliedSince(swarm, 0)], ['carol'])
  })
})

describe('A round that takes far longer than expected', () => {
  it('expires at its deadline, and the worker gets twice the time for the next', () => {
    const swarm = simulate({ changes: { stop: { versions: 400 } } })
      .startAll()
      .run(3_000)
    const bob = swarm.peers.get('bob')
    assert.ok(bob !== undefined)
    // The device stalls: its rounds now take 50 times as long as measured.
    Object.assign(bob, { device: { ...bob.device, secondsPerStep: 50 * 0.15 } })
    swarm.run(40_000)
    const [first] = swarm.of('expired')
    assert.match(first.reason, /not back after \d+ s/)
    const given = swarm.of('assigned').filter(({ worker }) => worker === 'bob')
    assert.ok(
      given.some(({ at }) => at >= first.at),
      'it is given another',
    )
  })
})
