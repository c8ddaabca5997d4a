// Swarms whose contributions are of one fragment of the parameters each: what a worker moved in the others is sent when
// their turn comes, and every fragment has an outer cycle of its own.
import assert from 'node:assert/strict'
import type { SimulatedSwarm } from '../../src/simulate/swarm.js'
import { codecsOf } from '../../src/tensor/codec.js'
import { fragmentAt, lengthOf } from '../../src/tensor/fragments.js'
import { equals, outcomes, simulate, trio } from './swarms.js'
import { assertNothingIsLost, dimensions, type Trouble, troubled, Watched } from './troubled.js'

const finished = { alice: 'finished', bob: 'finished', carol: 'finished' }

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

const inThirds = (compression: Trouble['compression'], roundsAhead: number, disturb?: Trouble['disturb']) =>
  troubled({ compression, roundsAhead, fragments: 3, untilMs: 900_000, disturb })

describe('A swarm that sends fragments', () => {
  for (const [codec, ahead] of [
    ['fp32', 0],
    ['fp32', 2],
    ['int4', 1],
  ] as const)
    it(`ends with one state everywhere, nothing lost by refusals, by ${codec} with ${ahead} rounds ahead`, () => {
      const run = inThirds({ codec }, ahead)
      assert.deepEqual(outcomes(run.swarm), finished)
      assert.ok(run.swarm.of('refused').length > 3)
      assert.equal(new Set(trio.map(({ name }) => run.swarm.state(name).replica?.stateDigest)).size, 1)
      assertNothingIsLost(run)
    })

  it('loses nothing when a worker, and the leader, die and come back', () => {
    const run = inThirds({ codec: 'fp32' }, 1, (swarm) => {
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
    const { swarm } = inThirds({ codec: 'int8' }, 0)
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
