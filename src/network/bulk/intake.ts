// Chunks that have come whole: each is verified and kept while the next ones come, so many at a time.
import type { Hash } from '../../core/ids.js'
import { asError } from '../errors.js'
import type { ChunkBuffers } from './chunk-buffers.js'
import type { ChunkStore } from './chunk-store.js'
import type { ChunkTaken } from './chunk-thread.js'
import type { Holding } from './holding.js'
import { Liar } from './taking.js'

/** Chunks that are verified and kept at a time; each is held in memory. */
const SETTLING = 16

export interface IntakeParts {
  readonly holding: Holding
  readonly store: ChunkStore
  readonly buffers: ChunkBuffers
  /** A chunk is held from now on. */
  readonly gained: () => void
  /** It could not be written: the fault of the disk, not of a donor. */
  readonly failed: (error: Error) => void
}

export class Intake {
  #settling = 0
  #waiting: (() => void)[] = []
  #isOver = false

  constructor(private readonly parts: IntakeParts) {}

  get isFull(): boolean {
    return this.#settling >= SETTLING
  }

  /** Resolves when another chunk may come. */
  async room(): Promise<void> {
    while (this.isFull && !this.#isOver) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  /**
   * Verifies and keeps a chunk, whose memory goes back to the buffers.
   *
   * @param verified called once it is known to be the one that it should be
   * @throws Liar if it is another one
   */
  async take(index: number, chunk: Uint8Array<ArrayBuffer>, verified: () => void): Promise<void> {
    if (this.#isOver) return
    this.#settling++
    try {
      const taken = await this.#keep(index, chunk)
      if (taken === null) return
      this.parts.buffers.giveBack(taken.chunk)
      this.#check(index, taken.hash)
      verified()
      this.#gain(index)
    } finally {
      this.#settling--
      this.#wake()
    }
  }

  /** Nothing more is kept. */
  end(): void {
    this.#isOver = true
    this.#wake()
  }

  /** Null where it could not be written. */
  async #keep(index: number, chunk: Uint8Array<ArrayBuffer>): Promise<ChunkTaken | null> {
    try {
      return await this.parts.store.take(index, chunk)
    } catch (error) {
      this.parts.failed(asError(error))
      return null
    }
  }

  #check(index: number, hash: Hash): void {
    const expected = this.parts.holding.list.hashes[index]
    if (hash === expected) return
    throw new Liar(`chunk ${index}: its SHA-256 is ${hash.slice(0, 12)}..., not ${expected.slice(0, 12)}...`)
  }

  #gain(index: number): void {
    const { holding, gained } = this.parts
    if (this.#isOver || holding.held.has(index)) return
    holding.gain(index)
    gained()
  }

  #wake(): void {
    for (const go of this.#waiting.splice(0)) go()
  }
}
