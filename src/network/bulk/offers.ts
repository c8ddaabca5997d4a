// What this peer can give: what it holds whole, by name, and what it takes itself, by content. Hashes of chunks are
// computed once for all who ask while somebody does.
import { type Hash, hash } from '../../core/ids.js'
import { ContentHasher, chunkHashesInSlices } from '../../platform/content-name.js'
import type { BulkContent, BulkName, BulkSource } from '../../ports/mesh.js'
import { ChunkList } from './chunk-list.js'
import { Holding } from './holding.js'

/** Lists of large content in memory that are remembered beyond their last use: some versions and payloads. */
const REMEMBERED_FROM_BYTES = 2 ** 20

export class Offers {
  #source: BulkSource = () => null
  readonly #whole = new Map<string, Promise<Holding | null>>()
  readonly #growing = new Map<Hash, Holding>()
  /** By the memory that the content lies in: what is given never changes. */
  readonly #lists = new WeakMap<ArrayBufferLike, ChunkList>()

  serve(source: BulkSource): void {
    this.#source = source
  }

  /** Gives what comes to others, too. @returns to be called when it is no longer kept */
  share(holding: Holding): () => void {
    const { name } = holding.list
    this.#growing.set(name, holding)
    return () => {
      if (this.#growing.get(name) === holding) this.#growing.delete(name)
    }
  }

  /**
   * Null where it is not held; whoever gets it calls `leave` in the end.
   *
   * @param content what it must be; null takes whatever has the name
   */
  async find(
    name: BulkName,
    content: Hash | null,
  ): Promise<{ readonly holding: Holding; readonly leave: () => void } | null> {
    const growing = content === null ? undefined : this.#growing.get(content)
    if (growing !== undefined) return { holding: growing, leave: growing.use() }
    const key = JSON.stringify(name)
    let opened = this.#whole.get(key)
    if (opened === undefined) {
      opened = this.#open(name)
      this.#whole.set(key, opened)
    }
    const forget = () => {
      if (this.#whole.get(key) === opened) this.#whole.delete(key)
    }
    let holding: Holding | null
    try {
      holding = await opened
    } catch (error) {
      forget()
      throw error
    }
    if (holding === null || (content !== null && holding.list.name !== content)) {
      if (holding === null || !holding.isUsed) {
        forget()
        holding?.end()
      }
      return null
    }
    const release = holding.use()
    const leave = () => {
      release()
      if (holding.isUsed) return
      forget()
      holding.end()
    }
    return { holding, leave }
  }

  async #open(name: BulkName): Promise<Holding | null> {
    const source = await this.#source(name)
    if (source === null) return null
    const content = source instanceof Uint8Array ? viewOf(source) : source
    return Holding.of(
      source instanceof Uint8Array ? await this.#listOf(source) : await read(content),
      content,
    )
  }

  async #listOf(bytes: Uint8Array): Promise<ChunkList> {
    const { buffer, byteLength } = bytes
    // Small arrays share their memory with others.
    const isOwn = byteLength >= REMEMBERED_FROM_BYTES && buffer.byteLength === byteLength
    const known = isOwn ? this.#lists.get(buffer) : undefined
    if (known !== undefined) return known
    const list = new ChunkList(byteLength, await chunkHashesInSlices(bytes))
    if (isOwn) this.#lists.set(buffer, list)
    return list
  }
}

const viewOf = (bytes: Uint8Array): BulkContent => ({
  bytes: bytes.byteLength,
  read: (start, end) => bytes.subarray(start, end),
})

/** Reads content through, for the hashes of its chunks. */
async function read(content: BulkContent): Promise<ChunkList> {
  const hasher = new ContentHasher(content.bytes)
  for (let at = 0; at < content.bytes; ) {
    const end = Math.min(content.bytes, at + 2 ** 20)
    hasher.update(await content.read(at, end))
    at = end
  }
  return new ChunkList(content.bytes, hasher.chunks().map(hash))
}
