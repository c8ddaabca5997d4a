// Every outer method and its laws, driven through the whole protocol: what comes out of a simulated swarm is
// compared with the plain algorithm, written down here once more.
import assert from 'node:assert/strict'
import type { SimulatedSwarm } from '../../src/simulate/swarm.js'
import { equals, simulate, toyOf } from './swarms.js'

/** Local gradient descent of one assigned round, from `theta`; in double precision. */
function pseudoGradient(swarm: SimulatedSwarm, theta: readonly number[], round: Round): number[] {
  const { schedule } = toyOf(swarm)
  const optimum = toyOf(swarm).optimum(round.shard)
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
    let theta = [...swarm.task.initial()]
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

/** theta of every version, if `update` is taken at each arrival in its order, from the version each round began with. */
function thetasBy(
  swarm: SimulatedSwarm,
  update: (theta: readonly number[], g: readonly number[], version: number) => number[],
): number[][] {
  const given = new Map(swarm.of('assigned').map((round) => [round.assignment, round]))
  const thetas = [[...swarm.task.initial()]]
  for (const { assignment, version } of swarm.of('applied')) {
    const round = given.get(assignment) ?? assert.fail()
    const g = pseudoGradient(swarm, thetas[round.version], round)
    thetas.push(update(thetas[version - 1], g, version))
  }
  return thetas
}

/** A trio that trains with these outer options to this version. */
function trained(outer: Record<string, unknown>, versions: number): SimulatedSwarm {
  return simulate({ changes: { outer, stop: { versions } } })
    .startAll()
    .run(120_000)
}

function assertVersions(swarm: SimulatedSwarm, thetas: readonly number[][], versions: number): void {
  for (let version = 1; version <= versions; version++)
    assertClose(thetaOf(swarm, 'alice', version), thetas[version], `version ${version}`)
}

for (const [what, method] of [
  ['Delayed Nesterov with N = 1', { method: 'delayed-nesterov', bufferSize: 1 }],
  ['Plain Nesterov (Eq. 4-5)', { method: 'nesterov' }],
] as const)
  describe(what, () => {
    it('is Nesterov momentum at every arrival, whatever the devices, from the version each round began with', () => {
      const swarm = trained({ ...method, learningRate: 0.3, momentum: 0.5 }, 16)
      let m: number[] = []
      const thetas = thetasBy(swarm, (theta, g) => {
        m = g.map((value, i) => 0.5 * (m[i] ?? 0) + value)
        return theta.map((value, i) => value - 0.3 * (g[i] + 0.5 * m[i]))
      })
      assertVersions(swarm, thetas, 16)
    })
  })

describe('Outer SGD', () => {
  it('takes each pseudo-gradient times its learning rate, whatever the devices', () => {
    const swarm = trained({ method: 'sgd', learningRate: 0.3 }, 16)
    assertVersions(
      swarm,
      thetasBy(swarm, (theta, g) => theta.map((value, i) => value - 0.3 * g[i])),
      16,
    )
  })
})

describe('c = 0 and N > 1', () => {
  it('moves theta by g / N alone between milestones, and by the momentum once per N arrivals', () => {
    const swarm = trained({ bufferSize: 3, learningRate: 0.7, momentum: 0.9 }, 15)
    let m: number[] = []
    let delta: number[] = []
    const thetas = thetasBy(swarm, (theta, g, version) => {
      const milestone = version % 3 === 0
      delta = g.map((value, i) => (delta[i] ?? 0) + value)
      if (milestone) m = delta.map((value, i) => 0.9 * (m[i] ?? 0) + value / 3)
      if (milestone) delta = []
      return theta.map((value, i) => value - 0.7 * ((milestone ? 0.9 * m[i] : 0) + g[i] / 3))
    })
    assertVersions(swarm, thetas, 15)
  })
})
