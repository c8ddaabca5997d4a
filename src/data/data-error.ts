// What is wrong with a corpus, in words: the path, the reason, what to do about it.
import { UserError } from '../core/user-error.js'

export const dataError = (message: string, remedy: string, cause?: unknown): UserError =>
  new UserError('data', message, remedy, cause === undefined ? undefined : { cause })

/** A file or folder that cannot be opened or read. */
export function unreadable(path: string, cause: unknown): UserError {
  if (cause instanceof UserError) return cause
  const { code, message } = cause as NodeJS.ErrnoException
  switch (code) {
    case 'ENOENT':
      return dataError(`there is no corpus at ${path}`, 'check the path given with --corpus', cause)
    case 'ENOTDIR':
      return dataError(
        `there is no corpus at ${path}: a part of the path is a file, not a folder`,
        'check the path given with --corpus',
        cause,
      )
    case 'EACCES':
    case 'EPERM':
      return dataError(
        `the corpus ${path} may not be read (${code})`,
        'change its permissions, or pass another with --corpus',
        cause,
      )
    default:
      return dataError(
        `the corpus ${path} cannot be read: ${message}`,
        'check the disk and the path, or pass another with --corpus',
        cause,
      )
  }
}

export const notText = (path: string, what: string): UserError =>
  dataError(
    `${path} is not UTF-8 text: ${what}`,
    'convert it to UTF-8 (iconv -t UTF-8), or remove it from the corpus',
  )

export const empty = (path: string): UserError =>
  dataError(
    `the corpus ${path} is empty`,
    'pass a file or folder with text with --corpus, or leave --corpus out',
  )
