// The versions a replica holds: takes the outer step of each applied contribution, and serves what it holds.
import { createHash } from 'node:crypto'
import type { ApplyEntry } from '../core/entries.js'
import { type Hash, hash, type Version } from '../core/ids.js'
import type { LedgerState } from '../core/ledger.js'
import { initialState, type OuterState, outerOptimizer } from '../outer/optimizer.js'
import type { OuterConfig } from '../swarmfile/schema.js'
import { codecs } from '../tensor/codec.js'
import { digestState, type StateDigests } from '../tensor/digest.js'

/** Parameters of this many versions are kept for workers that start from them, */
const thetasKept = 6
/** and whole states of this many for replicas that join at them: a window may apply several in a row. */
const statesKept = 4

export const sha256 = (bytes: Uint8Array): Hash => hash(createHash('sha256').update(bytes).digest('hex'))

export interface HeldVersion extends StateDigests {
  readonly outer: OuterState
  /** The ledger's state after the entry that made this version. */
  readonly ledger: LedgerState
}

export class OuterStates {
  readonly #held = new Map<Version, HeldVersion>()
  readonly #thetas = new Map<Version, Float32Array>()

  constructor(readonly config: OuterConfig) {}

  /** The state of a new run. */
  found(theta: Float32Array, ledger: LedgerState): HeldVersion {
    return this.hold(initialState(theta, outerOptimizer(this.config.method)), ledger)
  }

  hold(outer: OuterState, ledger: LedgerState): HeldVersion {
    const { version } = ledger
    const held = { outer, ledger, ...digestState(outer, version, sha256) }
    this.#held.set(version, held)
    dropBefore(this.#held, version - statesKept + 1)
    this.holdTheta(version, outer.theta)
    return held
  }

  /** Forgets everything: another snapshot takes its place. */
  clear(): void {
    this.#held.clear()
  }

  /** The outer step of a committed entry. Throws if the version before is not held or the payload is not its. */
  apply(entry: ApplyEntry, ledger: LedgerState, payload: Uint8Array): HeldVersion {
    const before = this.#held.get(ledger.version - 1)
    if (before === undefined) throw new Error(`version ${ledger.version - 1} is not held`)
    if (sha256(payload) !== entry.payload)
      throw new Error(`the payload does not match its hash ${entry.payload}`)
    const gradient = codecs.fp32.decode(payload, before.outer.theta.length)
    const optimizer = outerOptimizer(this.config.method)
    return this.hold(optimizer.apply(before.outer, gradient, entry.weight, this.config), ledger)
  }

  /** A fetched theta without the rest of the outer state, as a pure worker holds it. */
  holdTheta(version: Version, theta: Float32Array): void {
    this.#thetas.set(version, theta)
    dropBefore(this.#thetas, version - thetasKept + 1)
  }

  get(version: Version): HeldVersion | undefined {
    return this.#held.get(version)
  }

  theta(version: Version): Float32Array | undefined {
    return this.#thetas.get(version)
  }
}

function dropBefore(kept: Map<Version, unknown>, oldest: Version): void {
  for (const version of kept.keys()) if (version < oldest) kept.delete(version)
}
