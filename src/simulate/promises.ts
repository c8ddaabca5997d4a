// The design's promises, checked after every event of a simulation. A broken one stops it at once.
import type { Entry } from '../core/entries.js'
import type { AssignmentId, Hash, Term, Version } from '../core/ids.js'
import type { PeerState } from '../core/state.js'

export class BrokenPromise extends Error {
  override readonly name = 'BrokenPromise'
}

/** Upper bound of what a peer may queue in the core, whatever happens around it. */
const queueBound = 1_000

/** Sees every state and every committed entry of a swarm. */
export class Promises {
  readonly #leaderOf = new Map<Term, string>()
  readonly #digestOf = new Map<Version, Hash>()
  readonly #verdictOf = new Map<AssignmentId, number>()
  readonly #entries = new Map<number, string>()
  readonly #versionOf = new Map<string, Version>()
  readonly #trained = new Map<string, AssignmentId>()

  check(state: PeerState): void {
    const { name } = state.setup.self
    if (state.lead !== null) {
      const other = this.#leaderOf.get(state.lead.term) ?? name
      if (other !== name) broken(`term ${state.lead.term} has two leaders: ${other} and ${name}`)
      this.#leaderOf.set(state.lead.term, name)
    }
    const { replica } = state
    if (replica === null) return
    const digest = this.#digestOf.get(replica.applied) ?? replica.stateDigest
    if (digest !== replica.stateDigest)
      broken(`version ${replica.applied} has two digests; ${name} holds the second`)
    this.#digestOf.set(replica.applied, digest)
    if (replica.applied < (this.#versionOf.get(name) ?? 0))
      broken(`the version of ${name} fell to ${replica.applied}`)
    this.#versionOf.set(name, replica.applied)
    if (replica.queue.length > queueBound) broken(`${name} queues ${replica.queue.length} outer steps`)
    if ((state.lead?.proposed.length ?? 0) > queueBound) broken(`${name} queues too many proposals`)
  }

  /** A peer that lost its memory (not its disk) may hold an older version again. */
  forget(name: string): void {
    this.#versionOf.delete(name)
  }

  committed(entry: Entry): void {
    const text = JSON.stringify(entry)
    const known = this.#entries.get(entry.index) ?? text
    if (known !== text) broken(`ledger index ${entry.index} holds two entries:\n${known}\n${text}`)
    if (this.#entries.has(entry.index)) return
    this.#entries.set(entry.index, text)
    if (entry.kind === 'apply' || entry.kind === 'refuse' || entry.kind === 'expire') this.#settled(entry)
    if (entry.kind === 'assign') this.#reserved(entry)
  }

  #settled(entry: Extract<Entry, { kind: 'apply' | 'refuse' | 'expire' }>): void {
    const first = this.#verdictOf.get(entry.assignment)
    if (first !== undefined)
      broken(`assignment ${entry.assignment} has two verdicts: entries ${first} and ${entry.index}`)
    this.#verdictOf.set(entry.assignment, entry.index)
    if (entry.kind === 'apply') return
    for (const [step, assignment] of this.#trained)
      if (assignment === entry.assignment) this.#trained.delete(step)
  }

  /** No step of a shard is given to two rounds unless the first did not come to anything. */
  #reserved({ assignment }: Extract<Entry, { kind: 'assign' }>): void {
    for (let step = assignment.position; step < assignment.position + assignment.steps; step++) {
      const place = `${assignment.shard}:${step}`
      const other = this.#trained.get(place)
      if (other !== undefined)
        broken(`step ${step} of shard ${assignment.shard} is given to ${other} and ${assignment.id}`)
      this.#trained.set(place, assignment.id)
    }
  }
}

function broken(what: string): never {
  throw new BrokenPromise(what)
}
