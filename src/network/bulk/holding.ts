// A content of which some or all chunks are here, verified, and can be given to others.
import { EventEmitter } from 'node:events'
import type { BulkContent } from '../../ports/mesh.js'
import { type ChunkList, ChunkSet } from './chunk-list.js'
import type { ChunkStore } from './chunk-store.js'

interface Events {
  /** A chunk is here. */
  gained: [index: number]
}

export class Holding extends EventEmitter<Events> {
  #users = 0
  #isOver = false
  #closed = false

  constructor(
    readonly list: ChunkList,
    readonly held: ChunkSet,
    /** The bytes of a chunk that is held. */
    readonly read: (index: number) => Uint8Array | Promise<Uint8Array>,
    /** Nobody reads any more. */
    private readonly release: () => void,
  ) {
    super()
    this.setMaxListeners(0)
  }

  static of(list: ChunkList, content: BulkContent): Holding {
    const read = (index: number) => content.read(list.start(index), list.end(index))
    return new Holding(list, ChunkSet.all(list.count), read, () => content.close?.())
  }

  /** What a store has and gets. */
  static growing(list: ChunkList, store: ChunkStore, release: () => void): Holding {
    return new Holding(list, store.found, (index) => store.read(index), release)
  }

  gain(index: number): void {
    this.held.add(index)
    this.emit('gained', index)
  }

  /** Somebody reads. @returns to be called when that ends */
  use(): () => void {
    this.#users++
    return () => {
      this.#users--
      this.#look()
    }
  }

  /** No new reader comes: it is closed when the last one has gone. */
  end(): void {
    this.#isOver = true
    this.#look()
  }

  get isUsed(): boolean {
    return this.#users > 0
  }

  #look(): void {
    if (!this.#isOver || this.#users > 0 || this.#closed) return
    this.#closed = true
    this.release()
  }
}
