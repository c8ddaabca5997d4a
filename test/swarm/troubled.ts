// A swarm some of whose rounds are refused or come to nothing, and what its workers moved and sent: nothing is lost.
import assert from 'node:assert/strict'
import type { Assignment } from '../../src/core/entries.js'
import type { AssignmentId } from '../../src/core/ids.js'
import type { SimulatedSwarm } from '../../src/simulate/swarm.js'
import type { SimulatedTask, TrainedRound } from '../../src/simulate/task.js'
import { QuadraticTask } from '../../src/simulate/toy-trainer.js'
import { fragmentAt } from '../../src/tensor/fragments.js'
import { runConfig, simulate } from './swarms.js'

export const dimensions = 300

/** The toy; remembers every round. */
export class Watched implements SimulatedTask {
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

export interface Trouble {
  readonly compression: Record<string, unknown>
  readonly roundsAhead: number
  /** In which contributions are sent; 1 where everything is sent at once. */
  readonly fragments: number
  readonly untilMs: number
  readonly disturb?: (swarm: SimulatedSwarm) => void
}

/** A run of 60 versions. */
export function troubled({ compression, roundsAhead, fragments: count, untilMs, disturb }: Trouble) {
  const task = new Watched()
  /** Contributions as they decode, each at its place. */
  const sent = new Map<AssignmentId, Float32Array>()
  const begun = new Map<string, number>()
  const fragments = count === 1 ? {} : { fragments: { count } }
  const swarm: SimulatedSwarm = simulate({
    task,
    changes: { compression, roundsAhead, ...fragments, stop: { versions: 60 } },
    sabotage: (peer) => {
      const round = (begun.get(peer) ?? 0) + 1
      begun.set(peer, round)
      if (round % 5 === 3) return 'wrong-norm'
      return round % 7 === 5 ? 'engine-fails' : null
    },
    trace: ({ peer, event }) => {
      if (event.type !== 'trained') return
      const { assignment, fragment } = event.manifest
      const record = swarm.peer(peer).disk.records.get(assignment) ?? assert.fail()
      const index = count === 1 ? 0 : (fragment ?? assert.fail())
      const all = new Float32Array(dimensions)
      all.set(record.gradient, fragmentAt(dimensions, count, index).start)
      sent.set(assignment, all)
    },
  })
  swarm.startAll()
  disturb?.(swarm)
  swarm.run(untilMs)
  return { swarm, task, sent }
}

export type TroubledRun = ReturnType<typeof troubled>

/** What a worker owes at the end is what it did not send of the rounds that were applied. */
export function assertNothingIsLost({ swarm, task, sent }: TroubledRun): void {
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
