// A payload in chunks: cut and named by hashes, and put together again whatever the order, verified.
import { chunkBytesOf, cut, MAX_CHUNK_BYTES, nameOfChunks } from '../core/content.js'
import type { Sha256 } from '../core/ids.js'
import type { Manifest } from '../core/messages.js'

/** What the cutting of a payload adds to a contribution's manifest. */
export type Cut = Pick<Manifest, 'payload' | 'bytes' | 'chunkBytes' | 'chunks'>

/** A payload cut and named. @throws RangeError where gossip cannot carry it */
export function cutOf(payload: Uint8Array, sha256: Sha256): Cut {
  const bytes = payload.byteLength
  const chunkBytes = chunkBytesOf(bytes)
  if (chunkBytes > MAX_CHUNK_BYTES) {
    throw new RangeError(
      `a payload of ${bytes} bytes needs chunks of ${chunkBytes} bytes, more than the ${MAX_CHUNK_BYTES} that gossip carries`,
    )
  }
  const chunks = cut(payload, chunkBytes).map(sha256)
  return { payload: nameOfChunks(bytes, chunks, sha256), bytes, chunkBytes, chunks }
}

/** A contribution's manifest: what is known of the round, and its payload cut and named. @throws as `cutOf` */
export function manifestOf(round: Omit<Manifest, keyof Cut>, payload: Uint8Array, sha256: Sha256): Manifest {
  return { ...round, ...cutOf(payload, sha256) }
}

/** Why what a manifest says of its payload contradicts itself; null if it does not. */
export function flawOf({ payload, bytes, chunkBytes, chunks }: Cut, sha256: Sha256): string | null {
  const usual = chunkBytesOf(bytes)
  if (chunkBytes !== usual) return `${bytes} bytes are cut into chunks of ${usual}, not of ${chunkBytes}`
  const expected = Math.ceil(bytes / chunkBytes)
  if (chunks.length !== expected)
    return `${bytes} bytes in chunks of ${chunkBytes} are ${expected} chunks, the manifest names ${chunks.length}`
  if (nameOfChunks(bytes, chunks, sha256) !== payload)
    return 'its chunks do not make up the payload that it names'
  return null
}

/** What became of a chunk handed to an assembly. */
export type Acceptance = 'stored' | 'duplicate' | 'out-of-range' | 'wrong-size' | 'wrong-hash'

/** A payload being put together from chunks that come in any order, twice, or not at all. */
export class Assembly {
  readonly #bytes: Uint8Array
  readonly #held: boolean[]
  #missing: number

  constructor(
    readonly cut: Cut,
    private readonly sha256: Sha256,
  ) {
    this.#bytes = new Uint8Array(cut.bytes)
    this.#held = new Array<boolean>(cut.chunks.length).fill(false)
    this.#missing = cut.chunks.length
  }

  /** Takes a chunk in if it is one of the manifest's; its bytes are copied. */
  accept(index: number, bytes: Uint8Array): Acceptance {
    if (index < 0 || index >= this.#held.length) return 'out-of-range'
    if (this.#held[index]) return 'duplicate'
    const start = index * this.cut.chunkBytes
    const expected = Math.min(this.cut.chunkBytes, this.cut.bytes - start)
    if (bytes.byteLength !== expected) return 'wrong-size'
    if (this.sha256(bytes) !== this.cut.chunks[index]) return 'wrong-hash'
    this.#bytes.set(bytes, start)
    this.#held[index] = true
    this.#missing--
    return 'stored'
  }

  get complete(): boolean {
    return this.#missing === 0
  }

  /** Indices of the chunks that have not come, ascending. */
  missing(): number[] {
    return this.#held.flatMap((held, index) => (held ? [] : [index]))
  }

  /** The whole payload, verified if the cut has no flaw. */
  payload(): Uint8Array {
    if (!this.complete) throw new Error(`${this.#missing} of ${this.#held.length} chunks are missing`)
    return this.#bytes
  }
}
