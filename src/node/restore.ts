// What a voter's disk amounts to after a restart: the newest snapshot, and the journal's entries after it.
import type { Entry } from '../core/entries.js'
import { applyEntry, emptyLedger } from '../core/ledger.js'
import type { HeldState } from '../core/state.js'
import { UserError } from '../core/user-error.js'
import { snapshotOf } from '../outer/snapshot.js'
import { sha256 } from '../platform/sha256.js'
import type { PayloadStore } from '../store/payloads.js'
import { loadSnapshot } from '../store/snapshot.js'
import type { OuterStates } from './outer-states.js'

export interface VoterDisk {
  readonly snapshots: string
  readonly payloads: PayloadStore
  /** The journal's entries, oldest first. */
  readonly entries: readonly Entry[]
}

/**
 * Brings the outer state up to the last entry of the journal.
 *
 * @returns null where nothing was saved: the run begins
 * @throws UserError if what is on disk does not fit together
 */
export async function restoreVoter(
  disk: VoterDisk,
  states: OuterStates,
  warn: (message: string) => void,
): Promise<HeldState | null> {
  const loaded = await loadSnapshot(disk.snapshots)
  if (loaded === null) return null
  for (const what of loaded.damaged) warn(`A damaged snapshot was passed over: ${what}`)
  const { outer, ledger: start, stateDigest } = loaded.snapshot
  let held = snapshotOf(outer, start, sha256)
  if (held.stateDigest !== stateDigest)
    throw corrupt(`the snapshot of version ${start.version} has another digest`)
  states.install(held)
  let ledger = start
  for (const entry of disk.entries) {
    if (entry.index <= start.index) continue
    ledger = applyEntry(ledger, entry)
    if (entry.kind !== 'apply') continue
    const payload = await disk.payloads.get(entry.payload)
    if (payload === null) throw corrupt(`the payload of version ${ledger.version} is missing`)
    held = states.apply(entry, ledger, payload)
  }
  return { ledger, log: disk.entries, digest: held.digest, stateDigest: held.stateDigest }
}

/** The state of a run before its first entry. */
export function beginVoter(
  states: OuterStates,
  theta: Float32Array,
  shardSizes: readonly number[],
): HeldState {
  const ledger = emptyLedger(shardSizes)
  const { digest, stateDigest } = states.found(theta, ledger)
  return { ledger, log: [], digest, stateDigest }
}

const corrupt = (what: string): UserError =>
  new UserError(
    'storage',
    `the saved run cannot be continued: ${what}`,
    'restore the run folder from a copy, or start a new run from its latest checkpoint (run.warmStart)',
  )
