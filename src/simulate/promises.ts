// The design's promises, checked after every event of a simulation. A broken one stops it at once.
import { type Assignment, type Entry, isVerdict, type Verdict } from '../core/entries.js'
import type { AssignmentId, Hash, Index, Term, Version } from '../core/ids.js'
import type { LedgerState } from '../core/ledger.js'
import type { Lead, PeerState } from '../core/state.js'

export class BrokenPromise extends Error {
  override readonly name = 'BrokenPromise'
}

/** Upper bound of what a peer may queue in the core, whatever happens around it. */
const queueBound = 1_000
/** Bookkeeping by peer or assignment may hold this many more than there are: it is tidied once per heartbeat. */
const slack = 1_000

/** Sees every state and every committed entry of a swarm. */
export class Promises {
  readonly #leaderOf = new Map<Term, string>()
  readonly #digestOf = new Map<Version, Hash>()
  readonly #versionOf = new Map<string, Version>()
  readonly #entries = new Map<Index, string>()
  readonly #given = new Map<AssignmentId, Assignment>()
  readonly #verdictOf = new Map<AssignmentId, Index>()
  readonly #openOf = new Map<string, AssignmentId>()
  /** Per shard: which round each local step belongs to, unless that round came to nothing. */
  readonly #stepsOf: readonly Map<number, AssignmentId>[]
  #newest: Index = 0
  #applied = 0

  constructor(shards: number) {
    this.#stepsOf = Array.from({ length: shards }, () => new Map())
  }

  check(state: PeerState): void {
    const { name } = state.setup.self
    if (state.lead !== null) this.#checkLead(name, state, state.lead)
    const { replica } = state
    if (replica === null) return this.forget(name)
    const digest = this.#digestOf.get(replica.applied) ?? replica.stateDigest
    if (digest !== replica.stateDigest)
      broken(`version ${replica.applied} has two digests; ${name} holds the second`)
    this.#digestOf.set(replica.applied, digest)
    if (replica.applied < (this.#versionOf.get(name) ?? 0))
      broken(`the version of ${name} fell to ${replica.applied}`)
    this.#versionOf.set(name, replica.applied)
    if (replica.ledger.index > this.#newest) broken(`${name} holds entries that are not committed`)
    if (replica.queue.length > queueBound) broken(`${name} queues ${replica.queue.length} outer steps`)
  }

  /** A peer that lost its memory or its outer state may hold an older version again. */
  forget(name: string): void {
    this.#versionOf.delete(name)
  }

  /** An entry is durable with its voter: it stands there for ever. */
  committed(entry: Entry): void {
    const text = JSON.stringify(entry)
    const known = this.#entries.get(entry.index) ?? text
    if (known !== text) broken(`ledger index ${entry.index} holds two entries:\n${known}\n${text}`)
    if (this.#entries.has(entry.index)) return
    if (entry.index !== this.#newest + 1) broken(`entry ${entry.index} follows entry ${this.#newest}`)
    this.#entries.set(entry.index, text)
    this.#newest = entry.index
    if (isVerdict(entry)) this.#settled(entry)
    if (entry.kind === 'assign') this.#reserved(entry.assignment)
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

  #checkLead(name: string, { replica, announced, connected }: PeerState, lead: Lead): void {
    const other = this.#leaderOf.get(lead.term) ?? name
    if (other !== name) broken(`term ${lead.term} has two leaders: ${other} and ${name}`)
    this.#leaderOf.set(lead.term, name)
    if (replica === null) return broken(`${name} leads without the outer state`)
    const durable = this.#newest
    if (replica.ledger.index < durable) broken(`${name} leads without entry ${durable}, which is committed`)
    if (replica.ledger.version !== this.#applied) broken(`an applied contribution is lost on ${name}`)
    const peers = Object.keys(lead.head.members).length
    const bounds: [string, number, number][] = [
      ['proposals', lead.proposed.length, queueBound],
      ['idle workers', lead.idle.length, peers],
      ['pulls', lead.pulling.length, peers],
      ['overheads', lead.overheads.length, queueBound],
      ['announced digests', announced.length, queueBound],
      ['members heard', size(lead.heardAt), peers + slack],
      ['assignment times', size(lead.assignedAt), Object.keys(lead.head.open).length + slack],
      ['resting workers', size(lead.resting), peers],
      ['farewells', size(lead.farewells), peers],
      ['connections', connected.length, queueBound],
    ]
    for (const [what, count, bound] of bounds)
      if (count > bound) broken(`${name} keeps ${count} ${what}, more than ${bound}`)
  }

  #settled(entry: Verdict): void {
    const { assignment: id, worker, index } = entry
    const first = this.#verdictOf.get(id)
    if (first !== undefined) broken(`assignment ${id} has two verdicts: entries ${first} and ${index}`)
    const given = this.#given.get(id)
    if (given === undefined) return broken(`assignment ${id} was never given`)
    if (given.worker !== worker)
      broken(`the verdict on ${id} names ${worker}; it was given to ${given.worker}`)
    this.#verdictOf.set(id, index)
    this.#openOf.delete(worker)
    if (entry.kind === 'apply') {
      this.#applied++
      return
    }
    for (let step = given.position; step < given.position + given.steps; step++)
      this.#stepsOf[given.shard].delete(step)
  }

  /** No step of a shard is given to two rounds unless the first came to nothing; no worker has two rounds. */
  #reserved(assignment: Assignment): void {
    const { id, worker, shard, position, steps } = assignment
    const open = this.#openOf.get(worker)
    if (open !== undefined) broken(`${worker} is given ${id}, but ${open} is open`)
    this.#openOf.set(worker, id)
    this.#given.set(id, assignment)
    for (let step = position; step < position + steps; step++) {
      const other = this.#stepsOf[shard].get(step)
      if (other !== undefined) broken(`step ${step} of shard ${shard} is given to ${other} and ${id}`)
      this.#stepsOf[shard].set(step, id)
    }
  }
}

const size = (record: object): number => Object.keys(record).length

function broken(what: string): never {
  throw new BrokenPromise(what)
}
