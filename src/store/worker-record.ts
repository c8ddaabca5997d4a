// What a worker makes durable before it publishes: the contribution and the inner optimizer's state, as one file,
// so that a restart sends the same bytes again and goes on from the same state.
import { readFile } from 'node:fs/promises'
import type { AssignmentId } from '../core/ids.js'
import type { Manifest } from '../core/messages.js'
import type { InnerState } from '../ports/trainer.js'
import { writeFileAtomically } from './atomic.js'
import type { Tensor } from './safetensors.js'
import { readSealed, writeSealed } from './sealed.js'
import { errorCode, StoreError, storeError } from './store-error.js'

export interface FinishedContribution {
  readonly manifest: Manifest
  readonly payload: Uint8Array
}

export interface WorkerRecord {
  /** Null once its verdict is known. */
  readonly contribution: FinishedContribution | null
  readonly inner: InnerState
}

const payloadName = 'contribution'

/** Replaces the record. @throws StoreError */
export async function saveWorkerRecord(path: string, { contribution, inner }: WorkerRecord): Promise<void> {
  const tensors: Tensor[] = [
    { name: 'm', shape: [inner.m.length], data: inner.m },
    { name: 'v', shape: [inner.v.length], data: inner.v },
  ]
  const metadata: Record<string, string> = { updates: String(inner.updates) }
  if (contribution !== null) {
    const { payload, manifest } = contribution
    tensors.push({ name: payloadName, shape: [payload.length], data: payload })
    metadata.manifest = JSON.stringify(manifest)
  }
  await writeSealed(path, tensors, metadata)
}

/** Null where nothing was ever saved. @throws StoreError if the record is damaged */
export async function loadWorkerRecord(path: string): Promise<WorkerRecord | null> {
  const file = await readIfPresent(path)
  if (file === null) return null
  const { metadata, tensors } = file
  const inner: InnerState = {
    m: tensors.get('m')!.data as Float32Array,
    v: tensors.get('v')!.data as Float32Array,
    updates: Number(metadata.get('updates')),
  }
  const text = metadata.get('manifest')
  if (text === undefined) return { contribution: null, inner }
  const manifest = JSON.parse(text) as Manifest
  if (manifest.assignment === (await settledAssignment(path))) return { contribution: null, inner }
  return { contribution: { manifest, payload: tensors.get(payloadName)!.data as Uint8Array }, inner }
}

async function readIfPresent(path: string): Promise<Awaited<ReturnType<typeof readSealed>> | null> {
  try {
    return await readSealed(path)
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    if (errorCode(error.cause) === 'ENOENT') return null
    throw new StoreError(
      path,
      error.message,
      'remove the file and continue with --resume: this worker then takes a new assignment with a fresh AdamW state',
      { cause: error },
    )
  }
}

/**
 * Marks the contribution of an assignment as settled: it is not loaded any more. The mark is a small file of its
 * own, because the record with AdamW's state is twice the size of the model. Assignment ids are never used again,
 * so that an old mark does no harm.
 *
 * @throws StoreError
 */
export async function clearContribution(path: string, assignment: AssignmentId): Promise<void> {
  await writeFileAtomically(markPath(path), [new TextEncoder().encode(assignment)])
}

const markPath = (path: string): string => `${path}.settled`

async function settledAssignment(path: string): Promise<string | null> {
  try {
    return await readFile(markPath(path), 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw storeError('read', markPath(path), error)
  }
}
