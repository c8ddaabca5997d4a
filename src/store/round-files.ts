// The files of a worker's rounds: one per round, `000012-a345.safetensors`, numbered in the order in which they were
// saved; and beside it, once its verdict is known, an empty mark named after that and after the newest round of that
// time, `000012-a345.000014.apply`. A mark, because the file is several times the size of the model. The newest file
// stays until a newer one is durable; so does one that was refused or expired, for the newest went on from what its
// coding had lost.
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Verdict } from '../core/entries.js'
import type { AssignmentId } from '../core/ids.js'
import { writeFileAtomically } from './atomic.js'
import { errorCode, storeError } from './store-error.js'

export type Outcome = Verdict['kind']

export interface RoundFile {
  readonly sequence: number
  readonly assignment: AssignmentId
  readonly path: string
  /** Null while its verdict is not known. */
  readonly outcome: Outcome | null
  /** The newest round when its verdict came; null while it is not known. */
  readonly settledAt: number | null
}

const fileName = /^(\d{6,})-([A-Za-z0-9-]+)\.(?:(safetensors)|(\d{6,})\.(apply|refuse|expire))$/
const sound = /^[A-Za-z0-9-]+$/

/** Those that count, oldest first: the newest, and the others whose verdict is not known. @throws StoreError */
export async function roundFiles(folder: string): Promise<RoundFile[]> {
  const all = filesAmong(folder, await namesIn(folder))
  return all.filter((round, i) => !isSuperseded(round, all.slice(i + 1)))
}

/** Where the next round of the folder is to be written. @throws StoreError */
export async function nextRoundPath(folder: string, assignment: AssignmentId): Promise<string> {
  if (!sound.test(assignment)) throw new RangeError(`not an assignment id: ${assignment}`)
  const newest = filesAmong(folder, await namesIn(folder)).at(-1)
  return join(folder, `${padded((newest?.sequence ?? 0) + 1)}-${assignment}.safetensors`)
}

/** Makes it durable that the verdict on a round is known. @throws StoreError */
export async function markSettled({ path }: RoundFile, outcome: Outcome, newest: RoundFile): Promise<void> {
  await writeFileAtomically(path.replace(/safetensors$/, `${padded(newest.sequence)}.${outcome}`), [])
}

/**
 * Removes rounds that count no more. Their marks stay until the next time: without its mark a round would be open
 * again, should a crash undo its removal.
 *
 * @throws StoreError
 */
export async function removeSuperseded(folder: string): Promise<void> {
  const names = await namesIn(folder)
  const all = filesAmong(folder, names)
  const stems = new Set(all.map(({ path }) => stemOf(path)))
  const known = names.filter((name) => fileName.test(name)).map((name) => join(folder, name))
  const strayMarks = known.filter((path) => !stems.has(stemOf(path)))
  const superseded = all.filter((round, i) => isSuperseded(round, all.slice(i + 1)))
  for (const path of [...strayMarks, ...superseded.map(({ path }) => path)]) await remove(path)
}

const padded = (sequence: number): string => String(sequence).padStart(6, '0')

/**
 * One that is newer makes a round needless that was applied, or done once more; one that is newer than the verdict, any
 * that is settled.
 */
function isSuperseded({ outcome, settledAt, assignment }: RoundFile, newer: readonly RoundFile[]): boolean {
  const newest = newer.at(-1)
  if (newest === undefined) return false
  if (outcome === 'apply' || newer.some((round) => round.assignment === assignment)) return true
  return settledAt !== null && newest.sequence > settledAt
}

/** Oldest first. */
function filesAmong(folder: string, names: readonly string[]): RoundFile[] {
  const files: Omit<RoundFile, 'outcome' | 'settledAt'>[] = []
  const verdicts = new Map<string, Pick<RoundFile, 'outcome' | 'settledAt'>>()
  for (const name of names) {
    const [, sequence, assignment, round, settledAt, outcome] = fileName.exec(name) ?? []
    const path = join(folder, name)
    if (round !== undefined) {
      files.push({ sequence: Number(sequence), assignment: assignment as AssignmentId, path })
    } else if (outcome !== undefined)
      verdicts.set(stemOf(path), { outcome: outcome as Outcome, settledAt: Number(settledAt) })
  }
  return files
    .map((file) => ({ ...file, ...(verdicts.get(stemOf(file.path)) ?? { outcome: null, settledAt: null }) }))
    .sort((a, b) => a.sequence - b.sequence)
}

/** Path of a round's files without their endings. */
const stemOf = (path: string): string => path.replace(/\.[^/\\]*$/, '')

/** None where there is no such folder. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw storeError('read', folder, error)
  }
}

async function remove(path: string): Promise<void> {
  try {
    await rm(path, { force: true })
  } catch (error) {
    throw storeError('remove', path, error)
  }
}
