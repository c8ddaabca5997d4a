// Swarms whose contributions are compressed: the replicas agree to the bit, and what coding loses comes later.
import assert from 'node:assert/strict'
import type { Assignment } from '../../src/core/entries.js'
import type { AssignmentId } from '../../src/core/ids.js'
import type { SimulatedSwarm } from '../../src/simulate/swarm.js'
import type { SimulatedTask, TrainedRound } from '../../src/simulate/task.js'
import { QuadraticTask } from '../../src/simulate/toy-trainer.js'
import { outcomes, runConfig, simulate, trio } from './swarms.js'

const dimensions = 300
const finished = { alice: 'finished', bob: 'finished', carol: 'finished' }

/** The toy; remembers every pseudo-gradient. */
class Watched implements SimulatedTask {
  readonly dimensions = dimensions
  readonly gradients = new Map<AssignmentId, Float32Array>()
  readonly #toy: QuadraticTask

  constructor() {
    const { shards } = runConfig().data
    const totalSteps = new Array<number>(shards).fill(1_000)
    this.#toy = new QuadraticTask(dimensions, shards, 1, {
      peak: 0.05,
      min: 0.01,
      warmupSteps: 4,
      totalSteps,
    })
  }
  initial(): Float32Array {
    return this.#toy.initial()
  }
  train(theta: Float32Array, assignment: Assignment): TrainedRound {
    const round = this.#toy.train(theta, assignment)
    this.gradients.set(assignment.id, round.gradient.slice())
    return round
  }
  evaluate(theta: Float32Array): number {
    return this.#toy.evaluate(theta)
  }
}

/** A run of 60 versions in which some rounds are refused and some come to nothing. */
function compressed(
  compression: Record<string, unknown>,
  roundsAhead = 2,
  disturb?: (swarm: SimulatedSwarm) => void,
) {
  const task = new Watched()
  /** Contributions as they decode. */
  const sent = new Map<AssignmentId, Float32Array>()
  const rounds = new Map<string, number>()
  const swarm: SimulatedSwarm = simulate({
    task,
    changes: { compression, roundsAhead, stop: { versions: 60 } },
    sabotage: (peer) => {
      const round = (rounds.get(peer) ?? 0) + 1
      rounds.set(peer, round)
      if (round % 5 === 3) return 'wrong-norm'
      return round % 7 === 5 ? 'engine-fails' : null
    },
    trace: ({ peer, event }) => {
      if (event.type !== 'trained') return
      const { assignment } = event.manifest
      const record = swarm.peers.get(peer)?.disk.records.get(assignment) ?? assert.fail()
      sent.set(assignment, record.gradient)
    },
  })
  swarm.startAll()
  disturb?.(swarm)
  swarm.run(600_000)
  return { swarm, task, sent }
}

/** What a worker owes at the end is what it did not send of the rounds that were applied. */
function assertNothingIsLost({ swarm, task, sent }: ReturnType<typeof compressed>): void {
  for (const [name, { id, memory }] of swarm.peers) {
    const applied = swarm.promises.committed.flatMap((entry) =>
      entry.kind === 'apply' && entry.worker === id ? [entry.assignment] : [],
    )
    assert.ok(applied.length > 3, `${name} took part`)
    for (let i = 0; i < dimensions; i += 17) {
      const owed = applied.reduce((sum, one) => {
        return sum + (task.gradients.get(one)?.[i] ?? 0) - (sent.get(one)?.[i] ?? 0)
      }, 0)
      assert.ok(Math.abs(owed - (memory?.residual?.[i] ?? 0)) < 1e-4, `${name} owes ${owed} at ${i}`)
    }
  }
}

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
    const lossOf = ({ swarm, task }: ReturnType<typeof compressed>) => {
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
