// Where the chunks of a content lie while it comes: in memory, in a file, or in both, so that a peer that was killed goes on
// where it stopped. A file has no list of what is in it: what is there is found by the hashes of the chunks.
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { sha256 } from '../../platform/sha256.js'
import { messageOf } from '../errors.js'
import { type ChunkList, ChunkSet } from './chunk-list.js'
import type { ChunkTaken, ChunkThread } from './chunk-thread.js'

/** What is smaller is fetched anew after a restart. */
export const KEPT_FROM_BYTES = 8 * 2 ** 20
/** Contents begun and not finished that are kept, the newest. */
const KEPT_PARTS = 3
/** A version that nobody fetched on with for so long is no one's any more. */
const KEPT_MS = 24 * 3_600_000
const PART = '.part'

export interface ChunkStore {
  /** Chunks that were here from the beginning. */
  readonly found: ChunkSet
  /**
   * Keeps a chunk if its hash is the right one. Its memory, which may be elsewhere meanwhile, comes back for another.
   * Rejects where it cannot be kept.
   */
  take(index: number, chunk: Uint8Array<ArrayBuffer>): Promise<ChunkTaken>
  read(index: number): Uint8Array | Promise<Uint8Array>
}

export class MemoryStore implements ChunkStore {
  readonly found: ChunkSet
  /** The whole content, once every chunk is here. */
  readonly bytes: Uint8Array

  /** @param file that has what came before, and gets what comes; null for none */
  constructor(
    private readonly list: ChunkList,
    private readonly file: FileStore | null,
  ) {
    this.found = new ChunkSet(list.count)
    this.bytes = new Uint8Array(list.bytes)
  }

  /** Takes in what the file has. */
  async load(): Promise<void> {
    if (this.file === null) return
    for (let index = 0; index < this.list.count; index++) {
      if (!this.file.found.has(index)) continue
      this.bytes.set(await this.file.read(index), this.list.start(index))
      this.found.add(index)
    }
  }

  /** Takes in the chunks that other content has in common with this one. */
  async adopt(like: Uint8Array): Promise<void> {
    for (let index = 0; index < this.list.count; index++) {
      const chunk = like.subarray(this.list.start(index), this.list.end(index))
      await setImmediate()
      if (this.found.has(index) || sha256(chunk) !== this.list.hashes[index]) continue
      this.bytes.set(chunk, this.list.start(index))
      this.found.add(index)
    }
  }

  async take(index: number, chunk: Uint8Array<ArrayBuffer>): Promise<ChunkTaken> {
    const taken = this.file === null ? { chunk, hash: sha256(chunk) } : await this.file.take(index, chunk)
    if (taken.hash === this.list.hashes[index]) this.bytes.set(taken.chunk, this.list.start(index))
    return taken
  }

  read(index: number): Uint8Array {
    return this.bytes.subarray(this.list.start(index), this.list.end(index))
  }
}

export class FileStore implements ChunkStore {
  private constructor(
    private readonly list: ChunkList,
    private readonly path: string,
    private readonly handle: FileHandle,
    readonly found: ChunkSet,
    private readonly thread: ChunkThread,
  ) {}

  /** Opens or creates `path` with `.part` after it. @throws Error if the disk does not let it */
  static async open(list: ChunkList, path: string, thread: ChunkThread): Promise<FileStore> {
    const part = path + PART
    await mkdir(dirname(path), { recursive: true })
    // 'a' creates what is missing and leaves what is there; writing at positions needs 'r+'.
    await (await open(part, 'a')).close()
    const handle = await open(part, 'r+')
    try {
      const store = new FileStore(list, path, handle, new ChunkSet(list.count), thread)
      await store.#find()
      return store
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  take(index: number, chunk: Uint8Array<ArrayBuffer>): Promise<ChunkTaken> {
    const { list, path } = this
    const [expected, position] = [list.hashes[index], list.start(index)]
    return this.thread.take({ chunk, expected, path: path + PART, position })
  }

  async read(index: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(this.list.size(index))
    const { bytesRead } = await this.handle.read(bytes, 0, bytes.byteLength, this.list.start(index))
    if (bytesRead < bytes.byteLength) throw new Error(`${this.path}${PART} ends before chunk ${index}`)
    return bytes
  }

  /** The content is whole: gives the file its name, durably. */
  async finish(): Promise<void> {
    await this.handle.truncate(this.list.bytes)
    await this.handle.sync()
    await rename(this.path + PART, this.path)
  }

  /** The content is elsewhere, too. */
  async remove(): Promise<void> {
    await rm(this.path + PART, { force: true })
  }

  /** Nobody reads or writes any more. */
  async close(): Promise<void> {
    this.thread.release(this.path + PART)
    await this.handle.close()
  }

  async #find(): Promise<void> {
    const { size } = await this.handle.stat()
    for (let index = 0; index < this.list.count && this.list.end(index) <= size; index++) {
      if (sha256(await this.read(index)) === this.list.hashes[index]) this.found.add(index)
    }
  }
}

/** Removes what was begun in a folder and is not worth keeping. @param log is told what could not be removed */
export async function sweepParts(folder: string, log: (message: string) => void): Promise<void> {
  try {
    await mkdir(folder, { recursive: true })
    const parts: { readonly path: string; readonly ms: number }[] = []
    for (const name of await readdir(folder)) {
      if (!name.endsWith(PART)) continue
      const path = join(folder, name)
      parts.push({ path, ms: (await stat(path)).mtimeMs })
    }
    parts.sort((a, b) => b.ms - a.ms)
    const since = Date.now() - KEPT_MS
    for (const [age, { path, ms }] of parts.entries()) if (age >= KEPT_PARTS || ms < since) await rm(path)
  } catch (error) {
    log(`what was left of earlier transfers in ${folder} could not be looked through: ${messageOf(error)}`)
  }
}
