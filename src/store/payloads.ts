// Payloads of contributions by their hash. A ledger entry may name a payload only after `put` resolved.
import { createHash } from 'node:crypto'
import { access, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Hash } from '../core/ids.js'
import { sweepTemporary, writeFileAtomically } from './atomic.js'
import { errorCode, StoreError, storeError } from './store-error.js'
import { ensureFolder } from './versioned-files.js'

const hashName = /^[0-9a-f]{64}$/
/** Read and hashed without a pause: about a millisecond, so that the thread goes on answering the network. */
const pieceBytes = 2 ** 20

export class PayloadStore {
  private constructor(private readonly folder: string) {}

  /** @throws StoreError */
  static async open(folder: string): Promise<PayloadStore> {
    await ensureFolder(folder)
    await sweepTemporary(folder)
    return new PayloadStore(folder)
  }

  /** Keeps `bytes`, whose SHA-256 the caller has checked; they are durable when it resolves. @throws StoreError */
  async put(hash: Hash, bytes: Uint8Array): Promise<void> {
    const path = this.pathOf(hash)
    if (await exists(path)) return
    await writeFileAtomically(path, [bytes])
  }

  /** Null where it is not held. @throws StoreError if the file is unreadable, or no longer has its hash */
  async get(hash: Hash): Promise<Uint8Array | null> {
    const path = this.pathOf(hash)
    const file = await readHashed(path)
    if (file === null) return null
    if (file.hash === hash) return file.bytes
    throw new StoreError(
      path,
      `the payload ${path} is damaged: its content has the hash ${file.hash}`,
      'check the disk; then remove the file: it is fetched again from a peer that holds it',
    )
  }

  /** Does nothing where it is not held. @throws StoreError */
  async delete(hash: Hash): Promise<void> {
    const path = this.pathOf(hash)
    try {
      await rm(path, { force: true })
    } catch (error) {
      throw storeError('remove', path, error)
    }
  }

  /** In no particular order. @throws StoreError */
  async list(): Promise<Hash[]> {
    try {
      return (await readdir(this.folder)).filter((name): name is Hash => hashName.test(name))
    } catch (error) {
      throw storeError('read', this.folder, error)
    }
  }

  private pathOf(hash: Hash): string {
    if (!hashName.test(hash)) throw new RangeError(`not a SHA-256 in lower-case hex: ${hash}`)
    return join(this.folder, hash)
  }
}

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
      const hash = createHash('sha256')
      for (let done = 0; done < bytes.length; ) {
        const { bytesRead } = await handle.read(bytes, done, Math.min(pieceBytes, bytes.length - done), done)
        if (bytesRead === 0) throw new Error(`it ends at byte ${done}`)
        hash.update(bytes.subarray(done, done + bytesRead))
        done += bytesRead
      }
      return { bytes, hash: hash.digest('hex') }
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw storeError('read', path, error)
  }
}
