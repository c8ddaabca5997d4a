// Chunks that have come whole: each is verified, and written while the next ones come, so many at a time.
import { sha256 } from '../../platform/sha256.js'
import { asError } from '../errors.js'
import type { ChunkBuffers } from './chunk-buffers.js'
import type { ChunkStore } from './chunk-store.js'
import type { Holding } from './holding.js'
import { Liar } from './taking.js'

/** Chunks that are written at a time; each is held in memory. */
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
    const { holding, buffers } = this.parts
    this.#settling++
    try {
      this.#verify(index, chunk)
      verified()
      if (!holding.held.has(index) && !this.#isOver) await this.#write(index, chunk)
    } finally {
      buffers.giveBack(chunk)
      this.#settling--
      this.#wake()
    }
  }

  /** Nothing more is kept. */
  end(): void {
    this.#isOver = true
    this.#wake()
  }

  /** Here and now, 0.2 ms a chunk: to hand it to another thread takes more work than to do it. */
  #verify(index: number, chunk: Uint8Array<ArrayBuffer>): void {
    const expected = this.parts.holding.list.hashes[index]
    const digest = sha256(chunk)
    if (digest === expected) return
    throw new Liar(
      `chunk ${index}: its SHA-256 is ${digest.slice(0, 12)}..., not ${expected.slice(0, 12)}...`,
    )
  }

  async #write(index: number, chunk: Uint8Array<ArrayBuffer>): Promise<void> {
    const { holding, store, gained, failed } = this.parts
    try {
      await store.write(index, chunk)
    } catch (error) {
      return failed(asError(error))
    }
    if (holding.held.has(index)) return
    holding.gain(index)
    gained()
  }

  #wake(): void {
    for (const go of this.#waiting.splice(0)) go()
  }
}
