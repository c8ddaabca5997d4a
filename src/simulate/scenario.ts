// Everything about a storm that is fixed before it begins, drawn from its seed: who takes part, over what network,
// in what kind of run, and how much goes wrong.
import { type RunConfig, runSchema } from '../swarmfile/schema.js'
import { Dice } from './dice.js'
import type { NetworkModel } from './network.js'
import type { Device } from './peer.js'

export interface Scenario {
  readonly seed: number
  readonly run: RunConfig
  /** The first founds the run. */
  readonly devices: readonly Device[]
  /** ms after the founder at which each comes; those after some faults are late joiners. */
  readonly comesAt: ReadonlyMap<string, number>
  readonly network: NetworkModel
  readonly faults: number
  /** Whether faults wait until three vote. */
  readonly growsFirst: boolean
  /** Whether a worker breaks for good in the end: its every round is refused, until it is shut out. */
  readonly breaksWorker: boolean
}

/** Dice of one storm that are thrown apart, so that one more draw for the one changes nothing of the others. */
export const purposes = {
  scenario: 1,
  network: 2,
  faults: 3,
  lies: 4,
  sabotage: 5,
  compression: 6,
  fragments: 7,
} as const

const clusterNames = ['lake', 'meadow', 'forest'] as const
/** More versions than any storm makes: it ends the run itself, once the faults are over. */
const endless = 100_000

export function scenarioOf(seed: number): Scenario {
  const dice = new Dice(seed, purposes.scenario)
  const clusters = clusterNames.slice(0, dice.whole(2, 3))
  const count = dice.whole(5, 9)
  const devices = Array.from({ length: count }, (_, i) => deviceOf(dice, i, clusters))
  const comesAt = new Map(devices.map(({ name }, i) => [name, i === 0 ? 0 : arrivalMs(dice)]))
  return {
    seed,
    run: runOf(dice, seed),
    devices,
    comesAt,
    network: networkOf(dice),
    faults: dice.whole(5, 9),
    growsFirst: dice.chance(0.8),
    // It takes minutes of virtual time, for such a worker rests longer each time.
    breaksWorker: dice.chance(0.015),
  }
}

function deviceOf(dice: Dice, index: number, clusters: readonly string[]): Device {
  return {
    name: `peer-${index}`,
    // Every cluster has at least one.
    cluster: clusters[index < clusters.length ? index : dice.whole(0, clusters.length - 1)],
    secondsPerStep: dice.between(0.35, 1.2),
    clockRate: dice.chance(0.3) ? dice.between(0.9, 1.1) : 1,
    diskSlowness: dice.chance(0.1) ? dice.between(5, 40) : 1,
  }
}

/** Most come together, some a little later, a few in the middle of the storm. */
function arrivalMs(dice: Dice): number {
  if (dice.chance(0.2)) return dice.between(4_000, 20_000)
  return dice.between(0, dice.chance(0.7) ? 300 : 3_000)
}

function runOf(dice: Dice, seed: number): RunConfig {
  return runSchema.parse({
    seed,
    localSteps: dice.whole(4, 8),
    dylu: dice.chance(0.8),
    grace: dice.pick(['auto', 'auto', 0, dice.between(0, 0.6)]),
    roundsAhead: dice.pick([0, 0, 1, 2]),
    compression: compressionOf(seed),
    ...fragmentsOf(seed),
    startPeers: dice.whole(1, 4),
    replicas: dice.pick([1, 3, 3, 3, 5, 5]),
    data: { shards: dice.whole(4, 10) },
    inner: { learningRate: 0.05, minLearningRate: 0.01, warmupSteps: 4 },
    outer: outerOf(dice),
    validation: { everyVersions: dice.whole(3, 12) },
    checkpoints: { everyVersions: dice.whole(2, 12) },
    stop: { versions: endless },
  })
}

function compressionOf(seed: number) {
  const codec = new Dice(seed, purposes.compression).pick(['fp32', 'fp32', 'int8', 'int4', 'topk', 'auto'])
  return { codec, density: 0.25 }
}

/** As many as the toy's eight parameters have SIMD vectors. */
function fragmentsOf(seed: number) {
  const dice = new Dice(seed, purposes.fragments)
  const count = dice.pick([1, 1, 2])
  return count === 1 ? {} : { fragments: { count, mixing: dice.pick([0, 0, 0.5]) } }
}

function outerOf(dice: Dice) {
  const method = dice.pick(['delayed-nesterov', 'delayed-nesterov', 'delayed-nesterov', 'nesterov', 'sgd'])
  const bufferSize = dice.whole(1, 4)
  const activation = dice.chance(0.3) ? dice.roll() / bufferSize : 0
  return { method, bufferSize, activation, learningRate: 0.5, momentum: 0.5 }
}

function networkOf(dice: Dice): NetworkModel {
  return {
    latencyMs: dice.between(0.5, 5),
    betweenMs: dice.between(5, 80),
    jitterMs: dice.chance(0.7) ? dice.between(0, 30) : 0,
    loss: dice.chance(0.5) ? dice.between(0, 0.15) : 0,
    duplication: dice.chance(0.5) ? dice.between(0, 0.15) : 0,
    // The toy's vectors have a few dozen bytes: so slow that bulk takes up to a quarter of a second.
    bytesPerSecond: dice.chance(0.3) ? dice.between(100, 2_000) : Number.POSITIVE_INFINITY,
  }
}
