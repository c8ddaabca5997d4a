// The versions a replica holds: takes the outer step of each applied contribution, and serves what it holds.
import type { ApplyEntry } from '../core/entries.js'
import type { Version } from '../core/ids.js'
import type { LedgerState } from '../core/ledger.js'
import { firstSnapshot, nextSnapshot, type Snapshot } from '../outer/snapshot.js'
import { sha256 } from '../platform/sha256.js'
import type { OuterConfig } from '../swarmfile/schema.js'
import { codecs } from '../tensor/codec.js'

/** Parameters of this many versions are kept for workers that start from them, */
const thetasKept = 6
/** and whole states of this many for replicas that join at them: a window may apply several in a row. */
const snapshotsKept = 4

export class OuterStates {
  readonly #snapshots = new Map<Version, Snapshot>()
  readonly #thetas = new Map<Version, Float32Array>()

  constructor(readonly config: OuterConfig) {}

  /** The state of a new run. */
  found(theta: Float32Array, ledger: LedgerState): Snapshot {
    return this.#hold(firstSnapshot(theta, ledger, this.config, sha256))
  }

  /** Goes on from a snapshot, whose digests the caller has checked, in place of whatever is held. */
  install(snapshot: Snapshot): void {
    this.#snapshots.clear()
    this.#hold(snapshot)
  }

  /**
   * The outer step of a committed entry. Throws if the version before is not held or the payload is not its.
   * @throws VersionBroken if the step leads to values that are no finite numbers
   */
  apply(entry: ApplyEntry, ledger: LedgerState, payload: Uint8Array): Snapshot {
    const before = this.#snapshots.get(ledger.version - 1)
    if (before === undefined) throw new Error(`version ${ledger.version - 1} is not held`)
    if (sha256(payload) !== entry.payload)
      throw new Error(`the payload does not match its hash ${entry.payload}`)
    const g = codecs.fp32.decode(payload, before.outer.theta.length)
    return this.#hold(nextSnapshot(before, entry, ledger, g, this.config, sha256))
  }

  /** A fetched theta without the rest of the outer state, as a pure worker holds it. */
  holdTheta(version: Version, theta: Float32Array): void {
    this.#thetas.set(version, theta)
    dropBefore(this.#thetas, version - thetasKept + 1)
  }

  get(version: Version): Snapshot | undefined {
    return this.#snapshots.get(version)
  }

  theta(version: Version): Float32Array | undefined {
    return this.#thetas.get(version)
  }

  #hold(snapshot: Snapshot): Snapshot {
    const { version } = snapshot.ledger
    this.#snapshots.set(version, snapshot)
    dropBefore(this.#snapshots, version - snapshotsKept + 1)
    this.holdTheta(version, snapshot.outer.theta)
    return snapshot
  }
}

function dropBefore(kept: Map<Version, unknown>, oldest: Version): void {
  for (const version of kept.keys()) if (version < oldest) kept.delete(version)
}
