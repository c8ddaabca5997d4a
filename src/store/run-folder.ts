// Which folder a run writes to: a fresh one for a new run, the old one for a resumed run, never another run's.
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { UserError } from '../core/user-error.js'
import { errorCode, storeError } from './store-error.js'

export interface RunFolderRequest {
  /** Of the run, from its swarm file. */
  readonly name: string
  /** --out; null to choose one under `runs/`. */
  readonly out: string | null
  readonly resume: boolean
}

export interface RunFolderChoice {
  readonly folder: string
  /** What the user might not expect, in words. */
  readonly note: string | null
}

/**
 * Chooses and creates the folder of a run: `--out`, else `runs/<name>`, `runs/<name>-2`, and so on; with `resume`
 * the one that is there, the newest of that name unless `--out` says which.
 *
 * @param base folder of all runs
 * @throws UserError if `--out` holds something and the run is new, or there is nothing to resume
 * @throws StoreError if a folder cannot be read or created
 */
export function chooseRunFolder(request: RunFolderRequest, base = 'runs'): RunFolderChoice {
  const { name, out, resume } = request
  if (resume) return { folder: out === null ? newestRun(base, name) : existing(out), note: null }
  if (out === null) return freshRun(base, name)
  if (contents(out).length > 0) {
    throw new UserError(
      'storage',
      `the folder ${out} is not empty, and a new run would mix with what is in it`,
      'add --resume to continue the run in it, or pass another folder with --out',
    )
  }
  create(out)
  return { folder: out, note: null }
}

function existing(out: string): string {
  if (contents(out).length > 0) return out
  throw new UserError(
    'storage',
    `there is no run to resume in ${out}`,
    'check --out, or start a new run without --resume',
  )
}

/** `name`, `name-2`, `name-3`: the highest number that is there. */
function newestRun(base: string, name: string): string {
  const numbers = contents(base)
    .map((entry) => runNumber(entry, name))
    .filter((number) => number !== null)
  if (numbers.length === 0) {
    throw new UserError(
      'storage',
      `there is no run ${name} to resume in ${base}/`,
      'say which folder with --out, or start a new run without --resume',
    )
  }
  return runFolder(base, name, Math.max(...numbers))
}

function freshRun(base: string, name: string): RunFolderChoice {
  create(base)
  const first = runFolder(base, name, 1)
  for (let number = 1; ; number++) {
    const folder = runFolder(base, name, number)
    // Creating it is also the test whether it was there: two runs that start at once get two folders.
    if (!claim(folder)) continue
    const note = number === 1 ? null : `${first} holds an earlier run; this one is kept in ${folder}`
    return { folder, note }
  }
}

const runFolder = (base: string, name: string, number: number): string =>
  join(base, number === 1 ? name : `${name}-${number}`)

function runNumber(entry: string, name: string): number | null {
  if (entry === name) return 1
  if (!entry.startsWith(`${name}-`)) return null
  const digits = entry.slice(name.length + 1)
  return /^[1-9]\d*$/.test(digits) && digits !== '1' ? Number(digits) : null
}

/** False if it was there already. */
function claim(folder: string): boolean {
  try {
    mkdirSync(folder)
    return true
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    throw storeError('create', folder, error)
  }
}

function create(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true })
  } catch (error) {
    throw storeError('create', folder, error)
  }
}

/** Names in a folder; none where it does not exist. */
function contents(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw storeError('read', folder, error)
  }
}
