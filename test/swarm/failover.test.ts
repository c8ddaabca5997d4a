// A leader of three voters that dies, is cut off, or stands still: another takes over, and nothing is lost.
import assert from 'node:assert/strict'
import { isVerdict } from '../../src/core/entries.js'
import type { SimulatedSwarm } from '../../src/simulate/swarm.js'
import { appliedSince, outcomes, simulate } from './swarms.js'

const finished = { alice: 'finished', bob: 'finished', carol: 'finished' }

describe('A leader of three voters that dies', () => {
  const changes = { localSteps: 20, stop: { versions: 60 } }
  const withThreeVoters = (): SimulatedSwarm => {
    const swarm = simulate({ changes }).startAll()
    return swarm.runUntil(() => votersOf(swarm) === 3)
  }
  const threeAt = withThreeVoters().clock.now

  it('is replaced within a second, whenever it died, and the run goes on without it', () => {
    // Every 61 ms over two rounds.
    for (let afterMs = 100; afterMs < 2_000; afterMs += 61) {
      const swarm = withThreeVoters()
      const at = threeAt + afterMs
      swarm.run(at)
      swarm.crash('alice')
      swarm.runUntil(() => swarm.leader() !== null)
      assert.ok(swarm.clock.now - at < 1_000, `died at ${at} ms, replaced after ${swarm.clock.now - at} ms`)
      swarm.run(120_000)
      assert.equal(committedVersions(swarm), 60)
      assert.deepEqual([...appliedSince(swarm, at + 3_000)].sort(), ['bob', 'carol'])
    }
  })

  it('is a member like others when it is back, with the round it was at', () => {
    const swarm = withThreeVoters()
    swarm.run(threeAt + 1_000)
    swarm.crash('alice')
    swarm.run(threeAt + 4_000)
    swarm.start('alice')
    const backAt = swarm.clock.now
    swarm.run(120_000)
    assert.deepEqual(outcomes(swarm), finished)
    assert.notEqual(swarm.of('run-finished').at(-1)?.peer, 'alice')
    assert.ok(appliedSince(swarm, backAt).has('alice'))
    const verdicts = swarm.promises.committed.filter(isVerdict)
    assert.equal(new Set(verdicts.map(({ assignment }) => assignment)).size, verdicts.length)
  })

  it('loses no contribution that was acknowledged, nor the work of those who train meanwhile', () => {
    const swarm = withThreeVoters()
    swarm.run(threeAt + 1_000)
    swarm.crash('alice')
    swarm.run(120_000)
    const lost = swarm.promises.committed.filter(
      (entry) => entry.kind === 'expire' && entry.worker !== 'id-alice',
    )
    assert.deepEqual(lost, [])
  })

  it('may be killed again and again, each time another leading after it', () => {
    const swarm = withThreeVoters()
    for (let i = 0; i < 6; i++) {
      const leader = swarm.leader() ?? assert.fail('nobody leads')
      swarm.crash(leader)
      swarm.run(swarm.clock.now + 1_500)
      swarm.start(leader)
      swarm.run(swarm.clock.now + 1_500)
    }
    const terms = swarm.promises.committed.flatMap((entry) => (entry.kind === 'no-op' ? [entry.term] : []))
    assert.ok(terms.length >= 7)
    swarm.run(180_000)
    assert.deepEqual(outcomes(swarm), finished)
  })
})

describe('A leader that is cut off, or stands still,', () => {
  const changes = { localSteps: 20, stop: { versions: 60 } }
  const threeVoters = () => {
    const swarm = simulate({ changes }).startAll()
    return swarm.runUntil(() => votersOf(swarm) === 3)
  }

  it('is replaced, steps down by itself, and follows when it is back', () => {
    for (const [stop, goOn] of [
      ['cut', 'mend'],
      ['pause', 'goOn'],
    ] as const) {
      const swarm = threeVoters()
      const at = swarm.clock.now
      swarm[stop]('alice')
      swarm.run(at + 8_000)
      const leader = swarm.leader()
      swarm[goOn]('alice')
      swarm.run(at + 9_500)
      assert.notEqual(swarm.leader(), 'alice', stop)
      assert.equal(swarm.state('alice').lead, null, stop)
      assert.ok(leader !== null, stop)
      swarm.run(180_000)
      assert.deepEqual(outcomes(swarm), finished, stop)
    }
  })

  it('commits nothing meanwhile', () => {
    const swarm = threeVoters()
    const { now } = swarm.clock
    const before = swarm.state('alice').replica?.ledger.index ?? 0
    swarm.cut('alice')
    swarm.run(now + 6_000)
    // An answer that was on its way may still have come.
    assert.ok((swarm.state('alice').replica?.ledger.index ?? 0) - before <= 1)
    assert.equal(swarm.state('alice').lead, null)
  })
})

const committedVersions = (swarm: SimulatedSwarm) =>
  swarm.promises.committed.filter(({ kind }) => kind === 'apply').length

/** How many vote, once that is committed. */
function votersOf(swarm: SimulatedSwarm): number {
  const leader = swarm.leader()
  const configuration = leader === null ? undefined : swarm.state(leader).replica?.ledger.configuration
  return configuration?.next === null ? configuration.voters.length : 0
}
