// The outer steps of a swarm: every replica takes the same ones, so that each has to be computed once only.
import { type OuterBody, payloadsOf } from '../core/entries.js'
import type { LedgerState } from '../core/ledger.js'
import type { WholeState } from '../outer/fragments.js'
import { nextSnapshot, type OuterRules, type Snapshot } from '../outer/snapshot.js'
import { sha256 } from '../platform/sha256.js'

type Step = Omit<Snapshot, 'ledger'>

export class OuterSteps {
  /** By the very state that a step began from: one with a flipped bit is another. */
  readonly #taken = new WeakMap<WholeState, Map<string, Step>>()
  /** States that came of a flipped bit, and those in which it flipped: they are not what their digests say. */
  readonly #wrong = new WeakSet<WholeState>()
  readonly #flipped = new WeakSet<WholeState>()

  constructor(private readonly rules: OuterRules) {}

  /**
   * @param ledger after the entry
   * @throws VersionBroken if the step leads to values that are no finite numbers
   */
  next(before: Snapshot, entry: OuterBody, ledger: LedgerState, vectors: readonly Float32Array[]): Snapshot {
    const weight = entry.kind === 'apply' ? entry.weight : null
    const key = `${ledger.version} ${payloadsOf(entry).join()} ${weight}`
    const from = this.#taken.get(before.outer) ?? new Map<string, Step>()
    this.#taken.set(before.outer, from)
    const known = from.get(key)
    if (known !== undefined) return { ...known, ledger }
    const next = nextSnapshot(before, entry, ledger, vectors, this.rules, sha256)
    from.set(key, next)
    if (this.isWrong(before.outer)) this.#wrong.add(next.outer)
    return next
  }

  /** A bit of the parameters flips: memory does that, rarely. */
  flipped(before: Snapshot, parameter: number): Snapshot {
    const theta = before.outer.theta.slice()
    const bits = new Uint32Array(theta.buffer)
    // The lowest bit of the exponent: a half or twice the value.
    bits[parameter] ^= 1 << 23
    const outer = { ...before.outer, theta }
    this.#wrong.add(outer)
    this.#flipped.add(outer)
    return { ...before, outer }
  }

  /** Whether a state is what its digests say: whoever fetches it finds out. */
  isGenuine(outer: WholeState): boolean {
    return !this.#flipped.has(outer)
  }

  /** Whether a state has a flipped bit, or came of one that had. */
  isWrong(outer: WholeState): boolean {
    return this.#wrong.has(outer)
  }
}
