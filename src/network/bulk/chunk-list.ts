// The chunks of one content: where each lies and what its hash is; and which of them somebody holds.
import { chunkBytesOf, chunkCountOf, nameOfChunks } from '../../core/content.js'
import { type Hash, hash } from '../../core/ids.js'
import { sha256 } from '../../platform/sha256.js'

const HASH_BYTES = 32

export class ChunkList {
  readonly name: Hash
  readonly chunkBytes: number

  constructor(
    readonly bytes: number,
    readonly hashes: readonly Hash[],
  ) {
    this.chunkBytes = chunkBytesOf(bytes)
    this.name = nameOfChunks(bytes, hashes, sha256)
  }

  /** From the wire. @throws Error if these are not as many hashes as content of this size has chunks */
  static from(bytes: number, packed: Uint8Array): ChunkList {
    const count = chunkCountOf(bytes)
    if (packed.byteLength !== count * HASH_BYTES) {
      throw new Error(`it names ${packed.byteLength / HASH_BYTES} chunks where ${bytes} bytes have ${count}`)
    }
    const hex = Buffer.from(packed).toString('hex')
    const hashes = Array.from({ length: count }, (_, i) =>
      hash(hex.slice(2 * HASH_BYTES * i, 2 * HASH_BYTES * (i + 1))),
    )
    return new ChunkList(bytes, hashes)
  }

  packed(): Uint8Array {
    return Buffer.from(this.hashes.join(''), 'hex')
  }

  get count(): number {
    return this.hashes.length
  }

  start(index: number): number {
    return index * this.chunkBytes
  }

  end(index: number): number {
    return Math.min(this.bytes, (index + 1) * this.chunkBytes)
  }

  size(index: number): number {
    return this.end(index) - this.start(index)
  }
}

/** A set of chunks. */
export class ChunkSet {
  readonly #bits: Uint8Array
  #size = 0

  constructor(readonly count: number) {
    this.#bits = new Uint8Array(Math.ceil(count / 8))
  }

  static all(count: number): ChunkSet {
    const set = new ChunkSet(count)
    for (let index = 0; index < count; index++) set.add(index)
    return set
  }

  /** From the wire. @throws Error if it is of another number of chunks */
  static from(count: number, bits: Uint8Array): ChunkSet {
    const set = new ChunkSet(count)
    if (bits.byteLength !== set.#bits.byteLength) {
      throw new Error(`it says of ${8 * bits.byteLength} chunks whether it holds them, not of ${count}`)
    }
    for (let index = 0; index < count; index++) if (bits[index >> 3] & (128 >> (index & 7))) set.add(index)
    return set
  }

  packed(): Uint8Array {
    return this.#bits.slice()
  }

  get size(): number {
    return this.#size
  }

  get isFull(): boolean {
    return this.#size === this.count
  }

  has(index: number): boolean {
    return (this.#bits[index >> 3] & (128 >> (index & 7))) !== 0
  }

  add(index: number): void {
    if (this.has(index)) return
    this.#bits[index >> 3] |= 128 >> (index & 7)
    this.#size++
  }
}
