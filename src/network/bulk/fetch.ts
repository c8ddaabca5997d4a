// The taking side of bulk transfers: downloads under way, each by its name.

import { join } from 'node:path'
import type { Hash, PeerId, RunId } from '../../core/ids.js'
import { UserError } from '../../core/user-error.js'
import type { BulkName, FetchOptions, Progress } from '../../ports/mesh.js'
import type { ChunkList } from './chunk-list.js'
import { FileStore, KEPT_FROM_BYTES, MemoryStore } from './chunk-store.js'
import { ChunkThread } from './chunk-thread.js'
import { Download, type DownloadParts, type Kept } from './download.js'

export interface FetcherParts extends DownloadParts {
  /** Told of a transfer that takes more than a second, about once a second and at its end. */
  readonly transferring: (what: string, progress: Progress) => void
  /** Where large content is kept as it comes; null for nowhere. */
  readonly folder: string | null
}

export class Fetcher {
  readonly #downloads = new Set<Download>()
  readonly #thread = new ChunkThread()
  #closed = false

  constructor(private readonly parts: FetcherParts) {}

  /**
   * The bytes of a content in memory.
   *
   * @throws UserError naming what every donor answered
   */
  async fetch(
    run: RunId,
    name: BulkName,
    donors: readonly PeerId[],
    expected: Hash | null,
    options: FetchOptions = {},
  ): Promise<Uint8Array> {
    let bytes: Uint8Array = new Uint8Array(0)
    const keep = async (list: ChunkList): Promise<Kept> => {
      const { folder } = this.parts
      const isKept = folder !== null && list.bytes >= KEPT_FROM_BYTES
      const file = isKept ? await FileStore.open(list, join(folder, list.name), this.#thread) : null
      const store = new MemoryStore(list, file)
      await store.load()
      if (options.like !== undefined) await store.adopt(options.like)
      const finish = async () => {
        bytes = store.bytes
        await file?.remove()
      }
      return { store, finish, close: async () => file?.close() }
    }
    await this.#run(run, name, donors, expected, keep, options)
    return bytes
  }

  /** The same to a file. */
  async fetchFile(
    run: RunId,
    name: BulkName,
    donors: readonly PeerId[],
    expected: Hash | null,
    path: string,
    options: FetchOptions = {},
  ): Promise<void> {
    const keep = async (list: ChunkList): Promise<Kept> => {
      const store = await FileStore.open(list, path, this.#thread)
      return { store, finish: () => store.finish(), close: () => store.close() }
    }
    await this.#run(run, name, donors, expected, keep, options)
  }

  /** A peer takes this content from here: what it gets from others it can give, too. */
  taken(content: Hash, by: PeerId): void {
    for (const download of this.#downloads) download.met(content, by)
  }

  close(): void {
    this.#closed = true
    for (const download of this.#downloads) download.fail(new Error('the network is closed'))
    this.#thread.close()
  }

  /** What is told of a transfer beside what its caller is. */
  #watched(what: string, { progress, ...options }: FetchOptions): FetchOptions {
    let toldMs = performance.now()
    let told = false
    return {
      ...options,
      progress: (now) => {
        progress?.(now)
        const isDone = now.bytes === now.total
        if (isDone ? !told : performance.now() - toldMs < TOLD_EVERY_MS) return
        toldMs = performance.now()
        told = true
        this.parts.transferring(what, now)
      },
    }
  }

  async #run(
    run: RunId,
    name: BulkName,
    donors: readonly PeerId[],
    expected: Hash | null,
    keep: (list: ChunkList) => Promise<Kept>,
    options: FetchOptions,
  ): Promise<void> {
    if (this.#closed) throw new Error('the network is closed')
    const what = describe(name)
    if (donors.length === 0) throw cannotFetch(what, 'no donors were given')
    const { crosses } = this.parts
    const nearFirst = [...donors].sort((a, b) => Number(crosses(a)) - Number(crosses(b)))
    const subject = { run, name, what, expected: expected ?? contentIn(name), donors: nearFirst }
    const download = new Download(this.parts, subject, keep, this.#watched(what, options))
    this.#downloads.add(download)
    try {
      await download.run()
    } catch (error) {
      if (this.#closed) throw new Error('the network is closed')
      throw cannotFetch(what, (error as Error).message, error)
    } finally {
      this.#downloads.delete(download)
    }
  }
}

/** Between two words of a transfer, ms; one that is over before the first is not spoken of. */
const TOLD_EVERY_MS = 1_000

function cannotFetch(what: string, why: string, cause?: unknown): UserError {
  return new UserError(
    'network',
    `could not fetch ${what}: ${why}`,
    'check that the peers that hold it are running and can be reached; it is asked for again when one is',
    { cause },
  )
}

/** What a name says of the content itself. */
const contentIn = (name: BulkName): Hash | null => (name.kind === 'payload' ? name.hash : null)

/** A bulk name in words. */
function describe(name: BulkName): string {
  switch (name.kind) {
    case 'theta':
      return `theta of version ${name.version}`
    case 'snapshot':
      return `the snapshot of version ${name.version}`
    case 'payload':
      return `the payload ${name.hash.slice(0, 12)}...`
    case 'corpus':
      return 'the corpus'
  }
}
