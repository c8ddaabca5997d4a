// Names of content as src/core/content.ts defines them, by Node's own code: piece by piece, or in slices.
import { createHash, type Hash as Digest } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { chunkBytesOf, nameOf, nameOfChunks } from '../core/content.js'
import { type Hash, hash } from '../core/ids.js'
import { sha256 } from './sha256.js'

/** Hashed without a pause: about 2 ms, so that the thread goes on answering the network. */
const sliceBytes = 4 * 2 ** 20

export const contentName = (content: Uint8Array): Hash => nameOf(content, sha256)

/** Content of a known size whose bytes come in order, in pieces of any length. */
export class ContentHasher {
  readonly #chunkBytes: number
  readonly #chunks: Hash[] = []
  #chunk: Digest = createHash('sha256')
  #chunkHas = 0

  /** @param bytes of the whole content */
  constructor(private readonly bytes: number) {
    this.#chunkBytes = chunkBytesOf(bytes)
  }

  update(piece: Uint8Array): void {
    for (let at = 0; at < piece.byteLength; ) {
      const part = piece.subarray(at, at + this.#chunkBytes - this.#chunkHas)
      this.#chunk.update(part)
      this.#chunkHas += part.byteLength
      at += part.byteLength
      if (this.#chunkHas === this.#chunkBytes) this.#endChunk()
    }
  }

  /** The hashes of its chunks, once every byte was given. */
  chunks(): readonly Hash[] {
    if (this.#chunkHas > 0) this.#endChunk()
    return this.#chunks
  }

  /** Its name, once every byte was given. */
  name(): Hash {
    return nameOfChunks(this.bytes, this.chunks(), sha256)
  }

  #endChunk(): void {
    this.#chunks.push(hash(this.#chunk.digest('hex')))
    this.#chunk = createHash('sha256')
    this.#chunkHas = 0
  }
}

/** The hashes of the chunks of something large, which must not change before the promise resolves. */
export async function chunkHashesInSlices(content: Uint8Array): Promise<readonly Hash[]> {
  const hasher = new ContentHasher(content.byteLength)
  for (let start = 0; start < content.byteLength; start += sliceBytes) {
    hasher.update(content.subarray(start, start + sliceBytes))
    await setImmediate()
  }
  return hasher.chunks()
}
