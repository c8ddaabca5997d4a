// What goes wrong with files, in words: the path, the cause, and what the user can do about it.
import { UserError } from '../core/user-error.js'

export class StoreError extends UserError {
  constructor(
    readonly path: string,
    message: string,
    remedy: string,
    options?: ErrorOptions,
  ) {
    super('storage', message, remedy, options)
  }
}

interface Explanation {
  readonly why: string
  readonly remedy: string
}

const elsewhere = 'pass another folder with --out'
const explanations: Readonly<Record<string, Explanation>> = {
  ENOSPC: { why: 'the disk is full', remedy: 'free some space, then continue with --resume' },
  EDQUOT: { why: 'the disk quota is used up', remedy: 'free some space, then continue with --resume' },
  EROFS: { why: 'the file system is read-only', remedy: elsewhere },
  EACCES: { why: 'permission is denied', remedy: `change the permissions, or ${elsewhere}` },
  EPERM: { why: 'the operation is not permitted', remedy: `change the permissions, or ${elsewhere}` },
  ENOENT: { why: 'it does not exist', remedy: 'check the path' },
  ENOTDIR: { why: 'a part of the path is a file, not a folder', remedy: `check the path, or ${elsewhere}` },
  EISDIR: { why: 'it is a folder, not a file', remedy: `check the path, or ${elsewhere}` },
  EMFILE: { why: 'this process has too many files open', remedy: 'raise the limit (ulimit -n)' },
  ENFILE: { why: 'this machine has too many files open', remedy: 'close other programs' },
  EIO: {
    why: 'the device failed',
    remedy: 'check the disk (its log, its cable), then continue with --resume',
  },
}

/** The error of a file operation; `doing` is a verb such as `write`. An error that already is one is kept. */
export function storeError(doing: string, path: string, cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause
  const code = errorCode(cause)
  const known = code === null ? undefined : explanations[code]
  const { why, remedy } = known ?? {
    why: cause instanceof Error ? cause.message : String(cause),
    remedy: 'check the disk and the path, then continue with --resume',
  }
  const label = known === undefined ? '' : ` (${code})`
  return new StoreError(path, `cannot ${doing} ${path}: ${why}${label}`, remedy, { cause })
}

/** The system's name of an error, such as ENOENT; null where it has none. */
export function errorCode(error: unknown): string | null {
  const code = error instanceof Error && 'code' in error ? error.code : null
  return typeof code === 'string' ? code : null
}
