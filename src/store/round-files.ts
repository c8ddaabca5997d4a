// The files of a worker's rounds: one per round, `000012-a345.safetensors`, numbered in the order in which they were
// saved; and beside it, once its verdict is known, an empty mark named after that, `000012-a345.apply`. A mark,
// because the file is several times the size of the model. The newest file stays until a newer one is durable.
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
}

const fileName = /^(\d{6,})-([A-Za-z0-9-]+)\.(safetensors|apply|refuse|expire)$/
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
  const sequence = String((newest?.sequence ?? 0) + 1).padStart(6, '0')
  return join(folder, `${sequence}-${assignment}.safetensors`)
}

/** Makes it durable that the verdict on a round is known. @throws StoreError */
export async function markSettled({ path }: RoundFile, outcome: Outcome): Promise<void> {
  await writeFileAtomically(path.replace(/safetensors$/, outcome), [])
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

/** One that is newer makes a round needless that is settled, or was done once more. */
function isSuperseded({ outcome, assignment }: RoundFile, newer: readonly RoundFile[]): boolean {
  return newer.length > 0 && (outcome !== null || newer.some((round) => round.assignment === assignment))
}

/** Oldest first. */
function filesAmong(folder: string, names: readonly string[]): RoundFile[] {
  const files: Omit<RoundFile, 'outcome'>[] = []
  const outcomes = new Map<string, Outcome>()
  for (const name of names) {
    const [, sequence, assignment, ending] = fileName.exec(name) ?? []
    const path = join(folder, name)
    if (ending === 'safetensors') {
      files.push({ sequence: Number(sequence), assignment: assignment as AssignmentId, path })
    } else if (ending !== undefined) outcomes.set(stemOf(path), ending as Outcome)
  }
  return files
    .map((file) => ({ ...file, outcome: outcomes.get(stemOf(file.path)) ?? null }))
    .sort((a, b) => a.sequence - b.sequence)
}

const stemOf = (path: string): string => path.slice(0, path.lastIndexOf('.'))

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
