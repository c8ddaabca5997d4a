// Payloads of contributions by their hash. A ledger entry may name a payload only after `put` resolved.
import { access, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Hash } from '../core/ids.js'
import { ContentHasher } from '../platform/content-name.js'
import { sweepTemporary, writeFileAtomically } from './atomic.js'
import { errorCode, storeError } from './store-error.js'
import { ensureFolder } from './versioned-files.js'

const hashName = /^[0-9a-f]{64}$/
/** Read and hashed without a pause: about a millisecond, so that the thread goes on answering the network. */
const pieceBytes = 2 ** 20

export class PayloadStore {
  /** The latest work on each payload that must not be mixed with other work on it. */
  private readonly turns = new Map<Hash, Promise<unknown>>()

  private constructor(
    private readonly folder: string,
    private readonly warn: (message: string) => void,
  ) {}

  /** @param warn is told of files that are damaged. @throws StoreError */
  static async open(folder: string, warn: (message: string) => void): Promise<PayloadStore> {
    await ensureFolder(folder)
    await sweepTemporary(folder)
    return new PayloadStore(folder, warn)
  }

  /** Keeps `bytes`, whose name the caller has checked; they are durable when it resolves. @throws StoreError */
  put(hash: Hash, bytes: Uint8Array): Promise<void> {
    return this.inTurn(hash, async () => {
      const path = this.pathOf(hash)
      if (!(await exists(path))) await writeFileAtomically(path, [bytes])
    })
  }

  /**
   * Null where it is not held. A file that no longer has its hash is set aside, and not held from then on: others
   * hold it too.
   *
   * @throws StoreError if the file cannot be read
   */
  async get(hash: Hash): Promise<Uint8Array | null> {
    const file = await readHashed(this.pathOf(hash))
    if (file === null || file.hash === hash) return file?.bytes ?? null
    return this.inTurn(hash, () => this.quarantine(hash))
  }

  /** Looks once more, as it may have been put anew meanwhile. */
  private async quarantine(hash: Hash): Promise<Uint8Array | null> {
    const path = this.pathOf(hash)
    const file = await readHashed(path)
    if (file === null || file.hash === hash) return file?.bytes ?? null
    try {
      await rename(path, damagedPath(path))
    } catch (error) {
      throw storeError('set aside', path, error)
    }
    this.warn(
      `The payload ${path} is damaged: its content has the name ${file.hash}. It was renamed to end in .damaged, and is fetched again when it is needed; check the disk.`,
    )
    return null
  }

  /** Removes what was set aside, too; does nothing where it is not held. @throws StoreError */
  delete(hash: Hash): Promise<void> {
    return this.inTurn(hash, async () => {
      const path = this.pathOf(hash)
      try {
        await rm(path, { force: true })
        await rm(damagedPath(path), { force: true })
      } catch (error) {
        throw storeError('remove', path, error)
      }
    })
  }

  /** In no particular order. @throws StoreError */
  async list(): Promise<Hash[]> {
    try {
      return (await readdir(this.folder)).filter((name): name is Hash => hashName.test(name))
    } catch (error) {
      throw storeError('read', this.folder, error)
    }
  }

  /** Does `work` after what was begun on this payload before, whatever became of that. */
  private inTurn<T>(hash: Hash, work: () => Promise<T>): Promise<T> {
    const done = (this.turns.get(hash) ?? Promise.resolve()).then(work, work)
    this.turns.set(hash, done)
    const leave = (): void => {
      if (this.turns.get(hash) === done) this.turns.delete(hash)
    }
    done.then(leave, leave)
    return done
  }

  private pathOf(hash: Hash): string {
    if (!hashName.test(hash)) throw new RangeError(`not a SHA-256 in lower-case hex: ${hash}`)
    return join(this.folder, hash)
  }
}

const damagedPath = (path: string): string => `${path}.damaged`

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch {
    return false
  }
}

async function readHashed(
  path: string,
): Promise<{ readonly bytes: Uint8Array; readonly hash: string } | null> {
  try {
    const handle = await open(path, 'r')
    try {
      const bytes = new Uint8Array((await handle.stat()).size)
      const hasher = new ContentHasher(bytes.length)
      for (let done = 0; done < bytes.length; ) {
        const { bytesRead } = await handle.read(bytes, done, Math.min(pieceBytes, bytes.length - done), done)
        if (bytesRead === 0) throw new Error(`it ends at byte ${done}`)
        hasher.update(bytes.subarray(done, done + bytesRead))
        done += bytesRead
      }
      return { bytes, hash: hasher.name() }
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw storeError('read', path, error)
  }
}
