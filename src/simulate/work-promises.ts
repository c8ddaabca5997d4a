// The promises about work: every local step is given to one round, and every round judged once.
import type { Assignment, Verdict } from '../core/entries.js'
import type { AssignmentId, PeerId } from '../core/ids.js'
import type { LedgerState } from '../core/ledger.js'
import { broken } from './broken-promise.js'

/** Knows every committed assignment and verdict. */
export class WorkPromises {
  readonly #given = new Map<AssignmentId, Assignment>()
  readonly #verdictOf = new Map<AssignmentId, Verdict>()
  readonly #openOf = new Map<PeerId, readonly AssignmentId[]>()
  /** Per shard: which round each local step belongs to, unless that round came to nothing. */
  readonly #stepsOf: readonly Map<number, AssignmentId>[]

  /** @param first what the run begins with */
  constructor(first: LedgerState) {
    this.#stepsOf = first.shards.map(() => new Map())
  }

  /** No step of a shard is given to two rounds unless the first came to nothing; a worker's rounds continue each other. */
  given(assignment: Assignment): void {
    const { id, worker, after, shard, position, steps } = assignment
    const open = this.#openOf.get(worker) ?? []
    if ((open.at(-1) ?? null) !== after)
      broken(`${worker} is given ${id} after ${after}, but ${open.join()} is open`)
    this.#openOf.set(worker, [...open, id])
    this.#given.set(id, assignment)
    for (let step = position; step < position + steps; step++) {
      const other = this.#stepsOf[shard].get(step)
      if (other !== undefined) broken(`step ${step} of shard ${shard} is given to ${other} and ${id}`)
      this.#stepsOf[shard].set(step, id)
    }
  }

  settled(entry: Verdict): void {
    const { assignment: id, worker, index } = entry
    const first = this.#verdictOf.get(id)
    if (first !== undefined) broken(`assignment ${id} has two verdicts: entries ${first.index} and ${index}`)
    const given = this.#given.get(id)
    if (given === undefined) return broken(`assignment ${id} was never given`)
    if (given.worker !== worker)
      broken(`the verdict on ${id} names ${worker}; it was given to ${given.worker}`)
    this.#verdictOf.set(id, entry)
    this.#openOf.set(
      worker,
      (this.#openOf.get(worker) ?? []).filter((open) => open !== id),
    )
    if (entry.kind === 'apply') return
    for (let step = given.position; step < given.position + given.steps; step++)
      this.#stepsOf[given.shard].delete(step)
  }

  /** A worker lets go of a contribution: its verdict must be committed. */
  forgotten(assignment: AssignmentId, outcome: Verdict['kind']): void {
    const verdict = this.#verdictOf.get(assignment)
    if (verdict?.kind !== outcome)
      broken(`contribution ${assignment} is forgotten as '${outcome}'; its verdict is ${verdict?.kind}`)
  }

  /** Every step of a shard up to where it was assigned is trained, being trained, or waits to be given again. */
  everyIntervalIsCovered({ shards }: LedgerState): void {
    for (const [shard, { reserved, returned }] of shards.entries()) {
      const steps = this.#stepsOf[shard]
      const waiting = new Set<number>()
      for (const { position, steps: count } of returned)
        for (let step = position; step < position + count; step++) waiting.add(step)
      for (let step = 0; step < reserved; step++) {
        if (steps.has(step) === waiting.has(step))
          broken(`step ${step} of shard ${shard} is ${steps.has(step) ? 'given twice' : 'lost'}`)
      }
      for (const step of steps.keys())
        if (step >= reserved) broken(`step ${step} of shard ${shard} is not reserved`)
    }
  }
}
