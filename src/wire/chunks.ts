// A payload in chunks: cut and named by hashes, and put together again whatever the order, verified.
import type { Sha256 } from '../core/ids.js'
import type { Manifest } from '../core/messages.js'
import { MAX_CHUNK_BYTES, MAX_CHUNKS } from './manifest.js'

/** Smallest chunk; 256 KiB to 1 MiB crossed a gossip mesh fastest. */
export const CHUNK_BYTES = 256 * 1024

/** What the cutting of a payload adds to a contribution's manifest. */
export type Cut = Pick<Manifest, 'payload' | 'bytes' | 'chunkBytes' | 'chunks'>

/** Bytes per chunk for a payload: doubled until its hashes fit in a control message. */
export function chunkBytesFor(bytes: number): number {
  let chunkBytes = CHUNK_BYTES
  while (bytes > chunkBytes * MAX_CHUNKS) chunkBytes *= 2
  if (chunkBytes > MAX_CHUNK_BYTES) {
    throw new RangeError(
      `a payload of ${bytes} bytes needs chunks of ${chunkBytes} bytes, more than the ${MAX_CHUNK_BYTES} that gossip carries`,
    )
  }
  return chunkBytes
}

/** Views of a payload's chunks, in order; the last may be shorter. */
export function cut(payload: Uint8Array, chunkBytes: number): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let start = 0; start < payload.byteLength; start += chunkBytes) {
    chunks.push(payload.subarray(start, start + chunkBytes))
  }
  return chunks
}

/** A payload cut and hashed. */
export function cutOf(payload: Uint8Array, sha256: Sha256): Cut {
  const chunkBytes = chunkBytesFor(payload.byteLength)
  const chunks = cut(payload, chunkBytes).map(sha256)
  return { payload: sha256(payload), bytes: payload.byteLength, chunkBytes, chunks }
}

/** A contribution's manifest: what is known of the round, and its payload cut and hashed. */
export function manifestOf(round: Omit<Manifest, keyof Cut>, payload: Uint8Array, sha256: Sha256): Manifest {
  return { ...round, ...cutOf(payload, sha256) }
}

/** Why a manifest's numbers contradict each other; null if they do not. */
export function flawOf(manifest: Cut): string | null {
  const expected = Math.ceil(manifest.bytes / manifest.chunkBytes)
  if (manifest.chunks.length === expected) return null
  return `${manifest.bytes} bytes in chunks of ${manifest.chunkBytes} are ${expected} chunks, the manifest names ${manifest.chunks.length}`
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

  /** The whole payload. Its chunks are verified; that `payload` is their hash is not yet. */
  payload(): Uint8Array {
    if (!this.complete) throw new Error(`${this.#missing} of ${this.#held.length} chunks are missing`)
    return this.#bytes
  }
}
