// What a worker makes durable before it publishes: each round's contribution with the states after it, as one file,
// so that a restart sends the same bytes again and goes on from the same state.
import type { AssignmentId } from '../core/ids.js'
import type { Manifest } from '../core/messages.js'
import type { InnerState } from '../ports/trainer.js'
import { type Residual, withoutRound } from '../tensor/error-feedback.js'
import { sweepTemporary } from './atomic.js'
import {
  markSettled,
  nextRoundPath,
  type Outcome,
  type RoundFile,
  removeSuperseded,
  roundFiles,
} from './round-files.js'
import { SafetensorsError, type Tensor, type TensorFile } from './safetensors.js'
import { readSealed, writeSealed } from './sealed.js'
import { StoreError } from './store-error.js'
import { ensureFolder } from './versioned-files.js'

export interface FinishedContribution {
  readonly manifest: Manifest
  readonly payload: Uint8Array
}

/** What one round leaves behind. */
export interface FinishedRound {
  readonly contribution: FinishedContribution
  readonly inner: InnerState
  /** What coding lost, to be sent with the next pseudo-gradient (error feedback); null where nothing was lost. */
  readonly residual: Residual | null
  /** Parameters at the round's end; null where no round goes on from them. */
  readonly thetaEnd: Float32Array | null
  /** How far the worker keeps away from theta, of a run that mixes. */
  readonly drift?: Float32Array
}

/** A contribution whose verdict is not known, with what its coding made of the residual. */
export interface OpenContribution extends FinishedContribution {
  readonly residual: Residual | null
}

/** All that a restarted worker goes on from. */
export interface WorkerRecord {
  /** Those whose verdict is not known, oldest first. */
  readonly contributions: readonly OpenContribution[]
  /** As the newest round left it. */
  readonly inner: InnerState
  /** What coding has lost until now, without the rounds that were refused or expired; null if nothing was. */
  readonly residual: Float32Array | null
  /** As the newest round left it. */
  readonly thetaEnd: { readonly assignment: AssignmentId; readonly theta: Float32Array } | null
  /** As the newest round had it, of a run that mixes. */
  readonly drift?: Float32Array
  /** The newest round, if it was applied, and the fragment that it was of. */
  readonly takenIn?: { readonly assignment: AssignmentId; readonly fragment: number }
}

const payloadName = 'contribution'
const thetaName = 'thetaEnd'
const driftName = 'drift'
const residualNames = { before: 'residual.before', after: 'residual.after' } as const

/**
 * Adds a round, which becomes the newest, to the record in a folder; earlier rounds are not written again. It is
 * durable when this resolves.
 *
 * @throws StoreError; then the record is as it was
 */
export async function saveWorkerRecord(folder: string, round: FinishedRound): Promise<void> {
  await ensureFolder(folder)
  await sweepTemporary(folder)
  const { contribution, inner } = round
  const path = await nextRoundPath(folder, contribution.manifest.assignment)
  await writeSealed(path, tensorsOf(round), {
    updates: String(inner.updates),
    manifest: JSON.stringify(contribution.manifest),
  })
  await removeSuperseded(folder)
}

/** Null where nothing was ever saved. @throws StoreError if a file of the record is damaged */
export async function loadWorkerRecord(folder: string): Promise<WorkerRecord | null> {
  const contributions: OpenContribution[] = []
  /** Of rounds that came to nothing after the newest one went on from their residuals; or of the newest itself. */
  const undone: Residual[] = []
  let newest: FinishedRound | null = null
  let isApplied = false
  for (const file of await roundFiles(folder)) {
    isApplied = file.outcome === 'apply'
    newest = await readRound(file)
    const { contribution, residual } = newest
    if (file.outcome === null) contributions.push({ ...contribution, residual })
    else if (file.outcome !== 'apply' && residual !== null) undone.push(residual)
  }
  if (newest === null) return null
  const { contribution, inner, residual, thetaEnd: theta, drift } = newest
  const { assignment, fragment } = contribution.manifest
  return {
    contributions,
    inner,
    // The newest first: without it the residual is the one before it, to the bit.
    residual: residual === null ? null : undone.reduceRight(withoutRound, residual.after),
    thetaEnd: theta === null ? null : { assignment, theta },
    ...(drift !== undefined && { drift }),
    ...(isApplied && fragment !== undefined && { takenIn: { assignment, fragment } }),
  }
}

/**
 * The verdict on an assignment is known: its contribution is not loaded any more. Does nothing where there is none
 * of it, or it was settled before. A round that is saved later must have been coded with the residual without those
 * that were refused or expired by then.
 *
 * @throws StoreError
 */
export async function settleContribution(
  folder: string,
  assignment: AssignmentId,
  outcome: Outcome,
): Promise<void> {
  const rounds = await roundFiles(folder)
  const round = rounds.find((file) => file.assignment === assignment)
  const newest = rounds.at(-1)
  if (round === undefined || newest === undefined || round.outcome !== null) return
  await markSettled(round, outcome, newest)
  await removeSuperseded(folder)
}

function tensorsOf({ contribution, inner, residual, thetaEnd, drift }: FinishedRound): Tensor[] {
  const vector = (name: string, data: Tensor['data']): Tensor => ({ name, shape: [data.length], data })
  const tensors = [vector('m', inner.m), vector('v', inner.v), vector(payloadName, contribution.payload)]
  if (residual !== null) {
    tensors.push(vector(residualNames.before, residual.before), vector(residualNames.after, residual.after))
  }
  if (thetaEnd !== null) tensors.push(vector(thetaName, thetaEnd))
  if (drift !== undefined) tensors.push(vector(driftName, drift))
  return tensors
}

async function readRound({ path }: RoundFile): Promise<FinishedRound> {
  try {
    return roundFrom(await readSealed(path))
  } catch (error) {
    if (!(error instanceof StoreError || error instanceof SafetensorsError)) throw error
    throw new StoreError(
      path,
      error instanceof StoreError ? error.message : `${path}: ${error.message}`,
      'remove the file and continue with --resume: this worker then goes on from its round before, or with a fresh AdamW state',
      { cause: error },
    )
  }
}

function roundFrom({ metadata, tensors }: TensorFile): FinishedRound {
  const missing = (what: string): SafetensorsError =>
    new SafetensorsError(`it is no worker's round: it has no ${what}`)
  const vector = (name: string): Float32Array => {
    const data = tensors.get(name)?.data
    if (data instanceof Float32Array) return data
    throw missing(`F32 tensor ${name}`)
  }
  const payload = tensors.get(payloadName)?.data
  const manifest = metadata.get('manifest')
  if (!(payload instanceof Uint8Array)) throw missing('payload')
  if (manifest === undefined) throw missing('manifest')
  return {
    contribution: { manifest: JSON.parse(manifest) as Manifest, payload },
    inner: { m: vector('m'), v: vector('v'), updates: Number(metadata.get('updates')) },
    residual: tensors.has(residualNames.after)
      ? { before: vector(residualNames.before), after: vector(residualNames.after) }
      : null,
    thetaEnd: tensors.has(thetaName) ? vector(thetaName) : null,
    ...(tensors.has(driftName) && { drift: vector(driftName) }),
  }
}
