// Files that are there whole or not at all: written aside, fsynced, renamed into place, the folder fsynced.
import { type FileHandle, link, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isRunning } from './process-identity.js'
import { errorCode, storeError } from './store-error.js'

/** One write takes at most this much: the system's limit is 2 GiB, and a smaller piece lets other files in between. */
const pieceBytes = 16 * 2 ** 20
/** Readable by all, writable by the owner: the usual mode of a file. */
const usualMode = 0o644
/** Process and count keep the temporary names of concurrent writers apart. */
const temporaryName = /\.(\d+)-\d+\.tmp$/

let named = 0
/** Temporary files that this process is writing. */
const inHand = new Set<string>()

/**
 * Replaces or creates a file by the given pieces, in order. When it resolves the file is durable; when it rejects
 * the old content, if any, is untouched.
 *
 * @throws StoreError
 */
export async function writeFileAtomically(
  path: string,
  pieces: Iterable<Uint8Array>,
  mode = usualMode,
): Promise<void> {
  await writeAside(path, pieces, mode, (temporary) => rename(temporary, path))
}

/**
 * Creates a file, durable and whole; false, with nothing changed, if there is one already.
 *
 * @throws StoreError
 */
export async function createFileOnce(path: string, bytes: Uint8Array, mode = usualMode): Promise<boolean> {
  let created = true
  await writeAside(path, [bytes], mode, async (temporary) => {
    try {
      await link(temporary, path)
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error
      created = false
    }
    await rm(temporary)
  })
  return created
}

async function writeAside(
  path: string,
  pieces: Iterable<Uint8Array>,
  mode: number,
  publish: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = temporaryPath(path)
  inHand.add(temporary)
  try {
    const handle = await open(temporary, 'wx', mode)
    try {
      for (const piece of pieces) await writeAll(handle, piece)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await publish(temporary)
    await syncFolder(dirname(path))
  } catch (error) {
    // Without space even this may fail; the temporary file is then swept by the next start.
    await rm(temporary, { force: true }).catch(() => {})
    throw storeError('write', path, error)
  } finally {
    inHand.delete(temporary)
  }
}

/** A name beside `path` that no other writer uses and that `sweepTemporary` knows. */
function temporaryPath(path: string): string {
  named += 1
  return `${path}.${process.pid}-${named}.tmp`
}

/** Writes all bytes, at the handle's own position or from `position` on. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array, position?: number): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    const length = Math.min(pieceBytes, bytes.length - done)
    const { bytesWritten } = await handle.write(
      bytes,
      done,
      length,
      position === undefined ? null : position + done,
    )
    done += bytesWritten
  }
}

/** Makes renames and removals in a folder durable. */
async function syncFolder(folder: string): Promise<void> {
  // Windows has no handles on folders to fsync; its file system journals renames.
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Removes what writers that were killed left behind in a folder, and leaves alone what living ones write.
 *
 * @throws StoreError
 */
export async function sweepTemporary(folder: string): Promise<void> {
  try {
    for (const name of await readdir(folder)) {
      const writer = temporaryName.exec(name)
      const path = join(folder, name)
      if (writer !== null && !isBeingWritten(path, Number(writer[1]))) await rm(path, { force: true })
    }
  } catch (error) {
    throw storeError('clean', folder, error)
  }
}

/** An earlier process may have had this one's number: what this one writes, it knows. */
const isBeingWritten = (path: string, writer: number): boolean =>
  writer === process.pid ? inHand.has(path) : isRunning(writer)
