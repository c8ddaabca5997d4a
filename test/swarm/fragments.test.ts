// Swarms whose contributions are of one fragment of the parameters each: what a worker moved in the others is sent when
// their turn comes, and every fragment has an outer cycle of its own.
import assert from 'node:assert/strict'
import type { Assignment } from '../../src/core/entries.js'
import type { AssignmentId } from '../../src/core/ids.js'
import type { SimulatedSwarm } from '../../src/simulate/swarm.js'
import type { SimulatedTask, TrainedRound } from '../../src/simulate/task.js'
import { QuadraticTask } from '../../src/simulate/toy-trainer.js'
import { codecsOf } from '../../src/tensor/codec.js'
import { fragmentAt, lengthOf } from '../../src/tensor/fragments.js'
import { equals, outcomes, runConfig, simulate, trio } from './swarms.js'

const dimensions = 300
const finished = { alice: 'finished', bob: 'finished', carol: 'finished' }

/** The toy; remembers every round. */
class Watched implements SimulatedTask {
  readonly dimensions = dimensions
  readonly rounds = new Map<AssignmentId, { readonly start: Float32Array; readonly g: Float32Array }>()
  readonly #toy: QuadraticTask

  constructor() {
    const { shards } = runConfig().data
    const totalSteps = new Array<number>(shards).fill(1_000)
    const schedule = { peak: 0.05, min: 0.01, warmupSteps: 4, totalSteps }
    this.#toy = new QuadraticTask(dimensions, shards, 1, schedule)
  }
  initial(): Float32Array {
    return this.#toy.initial()
  }
  train(theta: Float32Array, assignment: Assignment): TrainedRound {
    const round = this.#toy.train(theta, assignment)
    this.rounds.set(assignment.id, { start: theta.slice(), g: round.gradient.slice() })
    return round
  }
  evaluate(theta: Float32Array): number {
    return this.#toy.evaluate(theta)
  }
}

const thetaAt = (swarm: SimulatedSwarm, peer: string, version: number): Float32Array =>
  swarm.peer(peer).held(version)?.outer.theta ?? assert.fail(`${peer} does not hold version ${version}`)

function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
) {
  for (let i = 0; i < expected.length; i++)
    assert.ok(
      Math.abs(actual[i] - expected[i]) <= tolerance,
      `${what}, parameter ${i}: ${actual[i]} instead of ${expected[i]}`,
    )
}

describe('One worker alone, whose outer step takes what is sent as it is', () => {
  for (const [codec, roundsAhead, mixing] of [
    ['fp32', 0, 0],
    ['fp32', 2, 0],
    ['int4', 0, 0.5],
    ['topk', 2, 0],
    ['topk', 2, 0.5],
  ] as const)
    it(`trains on as if nothing were sent at all, by ${codec} with ${roundsAhead} rounds ahead, mixing ${mixing}`, () => {
      const task = new Watched()
      const swarm = simulate({
        task,
        devices: equals(1),
        changes: {
          startPeers: 1,
          roundsAhead,
          fragments: { count: 3, mixing },
          compression: { codec },
          outer: { method: 'sgd', learningRate: 1 },
        },
      })
      swarm.startAll().run(300_000)
      const rounds = [...task.rounds.values()]
      assert.ok(rounds.length >= 24)
      let position = task.initial()
      for (const [i, { start, g }] of rounds.entries()) {
        assertClose(start, position, 1e-5, `round ${i}`)
        position = start.map((value, at) => value - g[at])
      }
      assert.equal(swarm.of('run-finished').length, 1)
    })
})

describe('A worker that takes in its fragment', () => {
  for (const mixing of [0, 0.25])
    it(`keeps ${mixing} of its own place there, and goes with theta everywhere else`, () => {
      const task = new Watched()
      const fragments = { count: 3, mixing }
      const outer = { method: 'sgd', learningRate: 0.3 }
      const swarm = simulate({ task, changes: { outer, fragments, stop: { versions: 15 } } })
        .startAll()
        .run(120_000)
      let checked = 0
      for (const name of ['alice', 'bob', 'carol']) {
        const given = swarm.of('assigned').filter(({ worker }) => worker === name)
        const fragmentOf = new Map(swarm.of('applied').map((one) => [one.assignment, one.fragment]))
        for (const [i, { assignment, version }] of given.slice(1).entries()) {
          const [before, now] = [task.rounds.get(given[i].assignment), task.rounds.get(assignment)]
          if (before === undefined || now === undefined) continue
          const [old, theta] = [thetaAt(swarm, name, given[i].version), thetaAt(swarm, name, version)]
          const { start, end } = fragmentAt(dimensions, 3, fragmentOf.get(given[i].assignment) ?? -1)
          for (let at = 0; at < dimensions; at++) {
            const stood = before.start[at] - before.g[at]
            const expected =
              at >= start && at < end
                ? mixing * stood + (1 - mixing) * theta[at]
                : stood + theta[at] - old[at]
            assert.ok(Math.abs(now.start[at] - expected) < 1e-5, `${name}, round ${i + 1}, parameter ${at}`)
            checked++
          }
        }
      }
      assert.ok(checked > 6 * dimensions)
    })
})

describe('Equal devices, each fragment contributed by half of them in every round', () => {
  const [k, count, N] = [4, 2, 2]
  const rounds = 6
  const task = new Watched()
  const outer = { bufferSize: N, learningRate: 0.7, momentum: 0.9 }
  const swarm = simulate({
    task,
    devices: equals(k),
    changes: { startPeers: k, grace: 0.5, outer, fragments: { count }, stop: { versions: k * rounds } },
  })
    .startAll()
    .run(300_000)
  const windows = new Map<number, ReturnType<typeof swarm.of<'assigned'>>>()
  for (const round of swarm.of('assigned'))
    windows.set(round.window, [...(windows.get(round.window) ?? []), round])

  it('are synchronous DiLoCo on every fragment, with what was moved since its turn before', () => {
    const fragmentOf = new Map(
      swarm.promises.committed.flatMap((entry) =>
        entry.kind === 'assign' ? [[entry.assignment.id, entry.assignment.fragment ?? assert.fail()]] : [],
      ),
    )
    let theta = [...task.initial()]
    let m = theta.map(() => 0)
    const unsent = new Map<string, number[]>()
    for (const [r, window] of [...windows.values()].slice(0, rounds).entries()) {
      const sum = theta.map(() => 0)
      const before = theta
      for (const { worker, assignment } of window) {
        const { start, g } = task.rounds.get(assignment) ?? assert.fail()
        const owed = unsent.get(worker) ?? theta.map(() => 0)
        assertClose(
          start,
          before.map((value, i) => value - owed[i]),
          1e-4,
          `${worker} in round ${r}`,
        )
        const { start: from, end } = fragmentAt(dimensions, count, fragmentOf.get(assignment) ?? -1)
        const moved = owed.map((value, i) => value + g[i])
        for (let i = from; i < end; i++) sum[i] += moved[i]
        unsent.set(
          worker,
          moved.map((value, i) => (i >= from && i < end ? 0 : value)),
        )
      }
      const mean = sum.map((value) => value / N)
      m = m.map((value, i) => 0.9 * value + mean[i])
      theta = theta.map((value, i) => value - 0.7 * (mean[i] + 0.9 * m[i]))
      const version = k * (r + 1)
      if (version > k * rounds - 16) assertClose(thetaAt(swarm, 'peer-0', version), theta, 1e-4, `round ${r}`)
    }
  })
})

/** A run of 60 versions in which some rounds are refused and some come to nothing. */
function troubled(
  compression: Record<string, unknown>,
  roundsAhead: number,
  disturb?: (swarm: SimulatedSwarm) => void,
) {
  const task = new Watched()
  /** Contributions as they decode. */
  const sent = new Map<AssignmentId, Float32Array>()
  const begun = new Map<string, number>()
  const swarm: SimulatedSwarm = simulate({
    task,
    changes: { compression, roundsAhead, fragments: { count: 3 }, stop: { versions: 60 } },
    sabotage: (peer) => {
      const round = (begun.get(peer) ?? 0) + 1
      begun.set(peer, round)
      if (round % 5 === 3) return 'wrong-norm'
      return round % 7 === 5 ? 'engine-fails' : null
    },
    trace: ({ peer, event }) => {
      if (event.type !== 'trained') return
      const { manifest } = event
      const record = swarm.peer(peer).disk.records.get(manifest.assignment) ?? assert.fail()
      const all = new Float32Array(dimensions)
      all.set(record.gradient, fragmentAt(dimensions, 3, manifest.fragment ?? assert.fail()).start)
      sent.set(manifest.assignment, all)
    },
  })
  swarm.startAll()
  disturb?.(swarm)
  swarm.run(900_000)
  return { swarm, task, sent }
}

/** What a worker owes at the end is what it did not send of the rounds that were applied. */
function assertNothingIsLost({ swarm, task, sent }: ReturnType<typeof troubled>): void {
  for (const [name, { id, memory }] of swarm.peers) {
    const applied = swarm.promises.committed.flatMap((entry) =>
      entry.kind === 'apply' && entry.worker === id ? [entry.assignment] : [],
    )
    assert.ok(applied.length > 3, `${name} took part`)
    for (let i = 0; i < dimensions; i += 7) {
      const owed = applied.reduce(
        (sum, one) => sum + (task.rounds.get(one)?.g[i] ?? 0) - (sent.get(one)?.[i] ?? 0),
        0,
      )
      assert.ok(Math.abs(owed - (memory?.residual?.[i] ?? 0)) < 1e-4, `${name} owes ${owed} at ${i}`)
    }
  }
}

describe('A swarm that sends fragments', () => {
  for (const [codec, ahead] of [
    ['fp32', 0],
    ['fp32', 2],
    ['int4', 1],
  ] as const)
    it(`ends with one state everywhere, nothing lost by refusals, by ${codec} with ${ahead} rounds ahead`, () => {
      const run = troubled({ codec }, ahead)
      assert.deepEqual(outcomes(run.swarm), finished)
      assert.ok(run.swarm.of('refused').length > 3)
      assert.equal(new Set(trio.map(({ name }) => run.swarm.state(name).replica?.stateDigest)).size, 1)
      assertNothingIsLost(run)
    })

  it('loses nothing when a worker, and the leader, die and come back', () => {
    const run = troubled({ codec: 'fp32' }, 1, (swarm) => {
      for (const [name, atMs] of [
        ['carol', 7_000],
        ['alice', 13_300],
        ['carol', 21_700],
      ] as const) {
        swarm.run(atMs)
        swarm.crash(name)
        swarm.run(atMs + 400)
        swarm.start(name)
      }
    })
    assert.deepEqual(outcomes(run.swarm), finished)
    assertNothingIsLost(run)
  })

  it('sends a third of the bytes with each contribution of one of three', () => {
    const { swarm } = troubled({ codec: 'int8' }, 0)
    const { int8 } = Object.fromEntries(codecsOf({ codec: 'int8', density: 1 }))
    const sizes = [0, 1, 2].map((index) => int8.encodedBytes(lengthOf(fragmentAt(dimensions, 3, index))))
    for (const { bytes, fragment } of swarm.of('contributed')) assert.equal(bytes, sizes[fragment ?? -1])
    assert.equal(new Set(swarm.of('applied').map(({ fragment }) => fragment)).size, 3)
  })

  it('learns as much as one that sends everything at once', () => {
    const lossOf = (fragments?: { count: number }) => {
      const task = new Watched()
      const outer = { method: 'sgd', learningRate: 0.5 }
      const swarm = simulate({ task, changes: { outer, fragments, stop: { versions: 90 } } })
      swarm.startAll().run(600_000)
      return task.evaluate(thetaAt(swarm, 'alice', 90))
    }
    const [whole, parts] = [lossOf(), lossOf({ count: 3 })]
    assert.ok(Math.abs(parts - whole) < 0.05 * whole, `${parts} against ${whole}`)
  })
})

describe('The rounds of a worker', () => {
  const swarm = simulate({ changes: { fragments: { count: 2 } } })
    .startAll()
    .run(120_000)
  const given = (name: string): number[] =>
    swarm.promises.committed.flatMap((entry) =>
      entry.kind === 'assign' && entry.assignment.worker === swarm.peer(name).id
        ? [entry.assignment.fragment ?? assert.fail()]
        : [],
    )

  it('take up the fragments in turn', () => {
    for (const { name } of trio)
      for (const [i, fragment] of given(name).entries())
        assert.equal(fragment, (given(name)[0] + i) % 2, `round ${i} of ${name}`)
  })

  it('begin with different ones for workers that came one after the other', () => {
    const inOrder = swarm.of('joined').map(({ name }) => given(name)[0])
    assert.deepEqual(inOrder.slice(0, 3), [0, 1, 0])
  })

  it('name none where everything is sent at once', () => {
    const whole = simulate().startAll().run(120_000)
    for (const entry of whole.promises.committed)
      if (entry.kind === 'assign') assert.equal('fragment' in entry.assignment, false)
  })
})
