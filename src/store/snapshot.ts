// Snapshots as safetensors, the same on disk and on the wire: the vectors as tensors, the ledger as metadata.
import { hash } from '../core/ids.js'
import type { LedgerState } from '../core/ledger.js'
import type { Snapshot } from '../outer/snapshot.js'
import { sweepTemporary } from './atomic.js'
import {
  decodeSafetensors,
  encodeSafetensors,
  SafetensorsError,
  type Tensor,
  type TensorFile,
} from './safetensors.js'
import { readSealed, writeSealed } from './sealed.js'
import { StoreError } from './store-error.js'
import { ensureFolder, keepNewestVersions, listVersions, versionPath } from './versioned-files.js'

/** The newest, and the one before in case the newest is damaged. */
const kept = 2
const thetaName = 'theta'
const slotPrefix = 'slot.'

/** Makes a snapshot durable and removes all but the newest two. @throws StoreError */
export async function saveSnapshot(folder: string, snapshot: Snapshot): Promise<void> {
  await ensureFolder(folder)
  await sweepTemporary(folder)
  const path = versionPath(folder, snapshot.ledger.version)
  await writeSealed(path, tensorsOf(snapshot), metadataOf(snapshot))
  await keepNewestVersions(folder, kept)
}

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
      if (!(error instanceof StoreError || error instanceof SafetensorsError)) throw error
      damaged.push(error instanceof StoreError ? error.message : `${path}: ${error.message}`)
    }
  }
  if (damaged.length === 0) return null
  throw new StoreError(
    folder,
    `no snapshot in ${folder} can be used: ${damaged.join('; ')}`,
    "check the disk; remove this peer's folder to let it join the run afresh",
  )
}

/** For the wire: the receiver compares its digest with the one announced. */
export function encodeSnapshot(snapshot: Snapshot): Uint8Array {
  return Buffer.concat(encodeSafetensors(tensorsOf(snapshot), metadataOf(snapshot)))
}

/** @throws SafetensorsError on bytes that are no snapshot; whether it is the right one, its digest tells */
export function decodeSnapshot(bytes: Uint8Array): Snapshot {
  return snapshotFrom(decodeSafetensors(bytes))
}

function tensorsOf({ outer }: Snapshot): Tensor[] {
  const vector = (name: string, data: Float32Array): Tensor => ({ name, shape: [data.length], data })
  const slots = Object.entries(outer.slots).map(([name, data]) => vector(slotPrefix + name, data))
  return [vector(thetaName, outer.theta), ...slots]
}

function metadataOf({ ledger, outer, digest, stateDigest }: Snapshot): Record<string, string> {
  return {
    ledger: JSON.stringify(ledger),
    version: String(ledger.version),
    index: String(ledger.index),
    phase: outer.phases.join(' '),
    digest,
    stateDigest,
  }
}

function snapshotFrom({ metadata, tensors }: TensorFile): Snapshot {
  const text = (key: string): string => {
    const value = metadata.get(key)
    if (value === undefined) throw new SafetensorsError(`it is no snapshot: its metadata has no ${key}`)
    return value
  }
  const vector = (name: string): Float32Array => {
    const data = tensors.get(name)?.data
    if (data instanceof Float32Array) return data
    throw new SafetensorsError(`it is no snapshot: it has no F32 tensor ${name}`)
  }
  const slots = [...tensors.keys()].filter((name) => name.startsWith(slotPrefix))
  return {
    ledger: JSON.parse(text('ledger')) as LedgerState,
    outer: {
      theta: vector(thetaName),
      slots: Object.fromEntries(slots.map((name) => [name.slice(slotPrefix.length), vector(name)])),
      phases: text('phase').split(' ').map(Number),
    },
    digest: hash(text('digest')),
    stateDigest: hash(text('stateDigest')),
  }
}
