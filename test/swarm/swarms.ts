// Ready-made simulated swarms for the tests.
import type { Message } from '../../src/core/messages.js'
import { SimulatedSwarm, type SimulationOptions, type TraceLine } from '../../src/simulate/swarm.js'
import { QuadraticTask } from '../../src/simulate/toy-trainer.js'
import { type RunConfig, runSchema } from '../../src/swarmfile/schema.js'

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

/** As many equal peers as asked for, the first of them the founder. */
export const equals = (count: number, secondsPerStep = 0.1) =>
  Array.from({ length: count }, (_, i) => ({ name: `peer-${i}`, cluster: 'lake', secondsPerStep }))

export function simulate(
  options: Partial<SimulationOptions> & { changes?: Record<string, unknown> } = {},
): SimulatedSwarm {
  const { changes, ...rest } = options
  return new SimulatedSwarm({ run: runConfig({ startPeers: 3, ...changes }), devices: trio, ...rest })
}

/** The toy that a swarm trains unless it was given another task. */
export function toyOf({ task }: SimulatedSwarm): QuadraticTask {
  if (!(task instanceof QuadraticTask)) throw new Error('This swarm trains something else.')
  return task
}

/** Names of those who vote, by the committed ledger. */
export function votersOf({ promises: { ledger } }: SimulatedSwarm): readonly string[] {
  return ledger.configuration.voters.map((id) => ledger.members[id].name)
}

/** A trace that remembers every message of one type as its receiver saw it. */
export function record(lines: TraceLine[]): (line: TraceLine) => void {
  return (line) => lines.push(line)
}

export function messagesTo<Type extends Message['type']>(
  lines: readonly TraceLine[],
  peer: string,
  type: Type,
): Extract<Message, { type: Type }>[] {
  return lines.flatMap((line) =>
    line.peer === peer && line.event.type === 'message' && line.event.message.type === type
      ? [line.event.message as Extract<Message, { type: Type }>]
      : [],
  )
}

/** How each peer ended; null for one that has not. */
export function outcomes(swarm: SimulatedSwarm): Record<string, string | null> {
  return Object.fromEntries([...swarm.peers.values()].map(({ name, outcome }) => [name, outcome]))
}

/** Workers whose contributions were applied from some time on. */
export function appliedSince(swarm: SimulatedSwarm, atMs: number): Set<string> {
  return new Set(
    swarm
      .of('applied')
      .filter(({ at }) => at >= atMs)
      .map(({ worker }) => worker),
  )
}
