// Ready-made simulated swarms for the tests.
import { type RunConfig, runSchema } from '../../src/swarmfile/schema.js'
import { type SimulationOptions, SimulatedSwarm } from '../../src/simulate/swarm.js'

type RunInput = Parameters<typeof runSchema.parse>[0]

export function runConfig(changes: Record<string, unknown> = {}): RunConfig {
  const defaults = {
    localSteps: 10,
    data: { shards: 4 },
    inner: { learningRate: 0.05, minLearningRate: 0.01, warmupSteps: 4 },
    outer: { bufferSize: 3 },
    validation: { everyVersions: 6 },
    stop: { versions: 24 },
  }
  return runSchema.parse({ ...defaults, ...changes } satisfies RunInput)
}

/** Three unequal peers in two clusters. */
export const trio = [
  { name: 'alice', cluster: 'lake', secondsPerStep: 0.1 },
  { name: 'bob', cluster: 'lake', secondsPerStep: 0.15 },
  { name: 'carol', cluster: 'meadow', secondsPerStep: 0.25 },
]

export function simulate(options: Partial<SimulationOptions> & { changes?: Record<string, unknown> } = {}): SimulatedSwarm {
  const { changes, ...rest } = options
  return new SimulatedSwarm({ run: runConfig({ startPeers: 3, ...changes }), devices: trio, ...rest })
}
