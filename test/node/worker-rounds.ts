// What rounds are tested with: an assignment, a trainer that does as it is told, and a worker that may be restarted.
import type { Assignment } from '../../src/core/entries.js'
import { assignmentId, hash } from '../../src/core/ids.js'
import { code } from '../../src/engine/coding.js'
import { Account } from '../../src/node/account.js'
import { type RoundRules, Rounds, type WorkerRecords } from '../../src/node/rounds.js'
import type { RoundResult, Trainer } from '../../src/ports/trainer.js'
import { loadWorkerRecord } from '../../src/store/worker-record.js'
import { alice, Events, exact, unexpected } from './fakes.js'

export const assignment: Assignment = {
  id: assignmentId(7),
  worker: alice,
  after: null,
  base: 4,
  baseDigest: hash('0'.repeat(64)),
  shard: 1,
  position: 20,
  steps: 5,
  deadlineMs: 60_000,
}
export const theta = Float32Array.of(1, 1)

export const resultOf = (gradient: number[]): RoundResult => ({
  gradient: Float32Array.from(gradient),
  inner: { m: new Float32Array(2), v: new Float32Array(2), updates: 5 },
  meanLoss: 2,
  steps: 5,
  trainMs: 500,
  emulatedMs: 0,
})

export const noRecords: WorkerRecords = { save: () => Promise.resolve(), settle: () => Promise.resolve() }

/** What the rounds of a test have beside a trainer. */
export interface Surroundings {
  readonly records?: WorkerRecords
  readonly run?: RoundRules
  readonly fail?: (error: unknown) => void
}

export function roundsOf(
  trainer: Trainer,
  { records = noRecords, run = { compression: exact }, fail = unexpected }: Surroundings = {},
) {
  const events = new Events()
  const account = new Account(() => 0)
  return { events, rounds: new Rounds(trainer, records, run, account, events.dispatch, fail) }
}

/** The same with a trainer of one round, by the method that a round needs. */
export const roundsWith = (train: Trainer['train'], surroundings?: Surroundings) =>
  roundsOf({ train, code: async (uncoded) => code(uncoded) } as Trainer, surroundings)

/** The same of a worker that comes back with what is in its folder, and none of whose rounds was told of since. */
export async function restarted(folder: string, train: Trainer['train'], surroundings: Surroundings) {
  const { rounds, events } = roundsWith(train, surroundings)
  const record = await loadWorkerRecord(folder)
  if (record !== null) rounds.restore(record)
  return { rounds, events, told: 0 }
}
