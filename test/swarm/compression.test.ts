// Swarms whose contributions are compressed: the replicas agree to the bit, and what coding loses comes later.
import assert from 'node:assert/strict'
import { outcomes, trio } from './swarms.js'
import { assertNothingIsLost, dimensions, type Trouble, type TroubledRun, troubled } from './troubled.js'

const finished = { alice: 'finished', bob: 'finished', carol: 'finished' }

const compressed = (compression: Trouble['compression'], roundsAhead = 2, disturb?: Trouble['disturb']) =>
  troubled({ compression, roundsAhead, fragments: 1, untilMs: 600_000, disturb })

describe('A swarm with contributions of four bits', () => {
  for (const ahead of [0, 2]) {
    it(`ends with one state everywhere, nothing lost by refusals, with ${ahead} rounds ahead`, () => {
      const run = compressed({ codec: 'int4' }, ahead)
      assert.deepEqual(outcomes(run.swarm), finished)
      assert.ok(run.swarm.of('refused').length > 3)
      assert.equal(new Set(trio.map(({ name }) => run.swarm.state(name).replica?.stateDigest)).size, 1)
      assert.ok(run.sent.size > 60)
      assertNothingIsLost(run)
    })
  }

  it('sends an eighth of the bytes, and learns as much as an exact one', () => {
    const lossOf = ({ swarm, task }: TroubledRun) => {
      const theta = swarm.peers.get('alice')?.held(60)?.outer.theta ?? assert.fail()
      return task.evaluate(theta)
    }
    const [exact, coarse] = [compressed({ codec: 'fp32' }), compressed({ codec: 'int4' })]
    const bytes = coarse.swarm.of('contributed')[0].bytes
    assert.equal(bytes, dimensions / 2 + 3 * 4)
    assert.ok(Math.abs(lossOf(coarse) - lossOf(exact)) < 0.02 * lossOf(exact))
  })

  it('goes on with the right residual when a worker dies and comes back', () => {
    const run = compressed({ codec: 'int4' }, 1, (swarm) => {
      for (const atMs of [7_000, 13_300, 21_700]) {
        swarm.run(atMs)
        swarm.crash('carol')
        swarm.run(atMs + 400)
        swarm.start('carol')
      }
    })
    assert.deepEqual(outcomes(run.swarm), finished)
    assertNothingIsLost(run)
  })
})

describe('A swarm that sends the largest values alone', () => {
  it('ends with one state everywhere, and owes the rest', () => {
    const run = compressed({ codec: 'topk', density: 0.1 })
    assert.deepEqual(outcomes(run.swarm), finished)
    assertNothingIsLost(run)
  })
})

describe('A worker that chooses its codec', () => {
  it('says what it takes first and why, and takes an exact one where its link carries it', () => {
    const { swarm } = compressed({ codec: 'auto' }, 0)
    const chosen = swarm.of('codec-chosen').filter(({ peer }) => peer === 'bob')
    assert.deepEqual(chosen[0].reason, 'int8: no transfer was measured yet')
    assert.match(chosen[1].reason, /^fp32: 0\.0 MB would take 0\.\d s of a 0\.\d s round at \d+\.\d Mbit\/s$/)
    const codecs = swarm.of('contributed').filter(({ peer }) => peer === 'bob')
    assert.deepEqual([codecs[0].codec, codecs.at(-1)?.codec], ['int8', 'fp32'])
    assert.deepEqual(outcomes(swarm), finished)
  })
})
