// The laws of delayed Nesterov, driven through the whole protocol: what comes out of a simulated swarm is
// compared with the plain algorithm, written down here once more.
import assert from 'node:assert/strict'
import type { SimulatedSwarm } from '../../src/simulate/swarm.js'
import { initialOuter } from '../../src/simulate/swarm.js'
import { equals, simulate } from './swarms.js'

/** Local gradient descent of one assigned round, from `theta`; in double precision. */
function pseudoGradient(swarm: SimulatedSwarm, theta: readonly number[], round: Round): number[] {
  const { schedule } = swarm.task
  const optimum = swarm.task.optimum(round.shard)
  const x = [...theta]
  for (let t = round.position; t < round.position + round.steps; t++) {
    const total = schedule.totalSteps[round.shard]
    const ratio = Math.min(1, (t - schedule.warmupSteps) / (total - schedule.warmupSteps))
    const rate =
      t < schedule.warmupSteps
        ? (schedule.peak * t) / schedule.warmupSteps
        : schedule.min + 0.5 * (schedule.peak - schedule.min) * (1 + Math.cos(Math.PI * ratio))
    for (const i of x.keys()) x[i] -= rate * (x[i] - optimum[i])
  }
  return theta.map((value, i) => value - x[i])
}

interface Round {
  readonly assignment: string
  readonly version: number
  readonly window: number
  readonly shard: number
  readonly position: number
  readonly steps: number
}

function thetaOf(swarm: SimulatedSwarm, peer: string, version: number): Float32Array {
  return swarm.peers.get(peer)?.held(version)?.outer.theta ?? assert.fail(`${peer} does not hold ${version}`)
}

/** Each value took some dozen roundings of relative size 2^-24 on its way. */
function assertClose(actual: Float32Array, expected: readonly number[], what: string): void {
  for (const [i, value] of expected.entries())
    assert.ok(
      Math.abs(actual[i] - value) <= 1e-5 * Math.max(1, Math.abs(value)),
      `${what}: ${actual[i]}, ${value}`,
    )
}

describe('Equal devices, N = k, c = 0, one grace window per round', () => {
  const k = 4
  const rounds = 6
  const swarm = simulate({
    devices: equals(k),
    changes: {
      startPeers: k,
      grace: 0.5,
      outer: { bufferSize: k, learningRate: 0.7, momentum: 0.9, activation: 0 },
      stop: { versions: k * rounds },
    },
  })
    .startAll()
    .run(120_000)
  const windows = new Map<number, Round[]>()
  for (const round of swarm.of('assigned'))
    windows.set(round.window, [...(windows.get(round.window) ?? []), round])

  it('train in rounds of k that all start from the same version', () => {
    const finished = [...windows.values()].slice(0, rounds)
    assert.equal(finished.length, rounds)
    for (const [r, round] of finished.entries()) {
      assert.equal(round.length, k)
      assert.ok(round.every(({ version, steps }) => version === k * r && steps === 10))
    }
  })

  it('are synchronous DiLoCo, to float32 rounding, at the end of every round', () => {
    const { learningRate: epsilon, momentum: beta } = swarm.options.run.outer
    let theta = [...initialOuter(swarm).theta]
    let m = theta.map(() => 0)
    for (const [r, round] of [...windows.values()].slice(0, rounds).entries()) {
      const gradients = round.map((assigned) => pseudoGradient(swarm, theta, assigned))
      const mean = theta.map((_, i) => gradients.reduce((sum, g) => sum + g[i], 0) / k)
      m = m.map((value, i) => beta * value + mean[i])
      theta = theta.map((value, i) => value - epsilon * (mean[i] + beta * m[i]))
      const version = k * (r + 1)
      if (version > k * rounds - 16) assertClose(thetaOf(swarm, 'peer-0', version), theta, `round ${r}`)
    }
  })
})

describe('N = 1', () => {
  it('is Nesterov momentum at every arrival, whatever the devices, from the version each round began with', () => {
    const outer = { bufferSize: 1, learningRate: 0.3, momentum: 0.5 }
    const swarm = simulate({ changes: { outer, stop: { versions: 16 } } })
      .startAll()
      .run(120_000)
    const given = new Map(swarm.of('assigned').map((round) => [round.assignment, round]))
    const thetas = [[...initialOuter(swarm).theta]]
    let m = thetas[0].map(() => 0)
    for (const { assignment, version } of swarm.of('applied')) {
      const round = given.get(assignment) ?? assert.fail()
      const g = pseudoGradient(swarm, thetas[round.version], round)
      const theta = thetas[version - 1]
      m = m.map((value, i) => 0.5 * value + g[i])
      thetas.push(theta.map((value, i) => value - 0.3 * (g[i] + 0.5 * m[i])))
    }
    for (let version = 1; version <= 16; version++)
      assertClose(thetaOf(swarm, 'alice', version), thetas[version], `version ${version}`)
  })
})

describe('c = 0 and N > 1', () => {
  it('moves theta by g / N alone between milestones, and by the momentum once per N arrivals', () => {
    const outer = { bufferSize: 3, learningRate: 0.7, momentum: 0.9 }
    const swarm = simulate({ changes: { outer, stop: { versions: 15 } } })
      .startAll()
      .run(120_000)
    const given = new Map(swarm.of('assigned').map((round) => [round.assignment, round]))
    const thetas = [[...initialOuter(swarm).theta]]
    let m = thetas[0].map(() => 0)
    let delta = m
    for (const { assignment, version } of swarm.of('applied')) {
      const round = given.get(assignment) ?? assert.fail()
      const g = pseudoGradient(swarm, thetas[round.version], round)
      const milestone = version % 3 === 0
      delta = delta.map((value, i) => value + g[i])
      if (milestone) m = m.map((value, i) => 0.9 * value + delta[i] / 3)
      thetas.push(
        thetas[version - 1].map((value, i) => value - 0.7 * ((milestone ? 0.9 * m[i] : 0) + g[i] / 3)),
      )
      if (milestone) delta = delta.map(() => 0)
    }
    for (let version = 1; version <= 15; version++)
      assertClose(thetaOf(swarm, 'alice', version), thetas[version], `version ${version}`)
  })
})
