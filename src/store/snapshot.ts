// Snapshots: the whole outer state at a version, from which a replica goes on after a restart.
import type { Hash } from '../core/ids.js'
import type { LedgerState } from '../core/ledger.js'
import type { OuterState } from '../outer/strategy.js'
import { sweepTemporary } from './atomic.js'
import type { Tensor, TensorFile } from './safetensors.js'
import { readSealed, writeSealed } from './sealed.js'
import { StoreError } from './store-error.js'
import { ensureFolder, keepNewestVersions, listVersions, versionPath } from './versioned-files.js'

export interface Snapshot {
  /** Its `version` and `index` are the snapshot's. */
  readonly ledger: LedgerState
  readonly outer: OuterState
  /** Of theta, and of the whole outer state. */
  readonly digest: Hash
  readonly stateDigest: Hash
}

/** The newest, and the one before in case the newest is damaged. */
const kept = 2
const thetaName = 'theta'
const slotPrefix = 'slot.'

/** Makes a snapshot durable and removes all but the newest two. @throws StoreError */
export async function saveSnapshot(folder: string, snapshot: Snapshot): Promise<void> {
  const { ledger, outer, digest, stateDigest } = snapshot
  await ensureFolder(folder)
  await sweepTemporary(folder)
  const tensors = [
    vector(thetaName, outer.theta),
    ...Object.entries(outer.slots).map(([name, data]) => vector(slotPrefix + name, data)),
  ]
  await writeSealed(versionPath(folder, ledger.version), tensors, {
    ledger: JSON.stringify(ledger),
    version: String(ledger.version),
    index: String(ledger.index),
    phase: String(outer.phase),
    digest,
    stateDigest,
  })
  await keepNewestVersions(folder, kept)
}

const vector = (name: string, data: Float32Array): Tensor => ({ name, shape: [data.length], data })

/**
 * The newest snapshot that is whole, and what was wrong with newer ones, in words; null where there never was one.
 *
 * @throws StoreError if there are snapshots but none is whole
 */
export async function loadSnapshot(
  folder: string,
): Promise<{ readonly snapshot: Snapshot; readonly damaged: readonly string[] } | null> {
  const damaged: string[] = []
  for (const { path } of await listVersions(folder)) {
    try {
      return { snapshot: snapshotFrom(await readSealed(path)), damaged }
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      damaged.push(error.message)
    }
  }
  if (damaged.length === 0) return null
  throw new StoreError(
    folder,
    `no snapshot in ${folder} can be used: ${damaged.join('; ')}`,
    "check the disk; remove this peer's folder to let it join the run afresh",
  )
}

/** The seal vouches for the content: it is what `saveSnapshot` wrote. */
function snapshotFrom({ metadata, tensors }: TensorFile): Snapshot {
  const slots = [...tensors.values()].filter(({ name }) => name.startsWith(slotPrefix))
  return {
    ledger: JSON.parse(metadata.get('ledger')!) as LedgerState,
    outer: {
      theta: tensors.get(thetaName)!.data as Float32Array,
      slots: Object.fromEntries(
        slots.map(({ name, data }) => [name.slice(slotPrefix.length), data as Float32Array]),
      ),
      phase: Number(metadata.get('phase')),
    },
    digest: metadata.get('digest') as Hash,
    stateDigest: metadata.get('stateDigest') as Hash,
  }
}
