// The thread in which the chunks of large contents are verified and written to their files: that of the network is busy
// enough with decrypting them. Chunks go there and come back without being copied.
import { Worker } from 'node:worker_threads'
import type { Hash } from '../../core/ids.js'

type Memory = Uint8Array<ArrayBuffer>

export interface ChunkTask {
  readonly chunk: Memory
  /** A chunk that has another hash is not written. */
  readonly expected: Hash
  readonly path: string
  readonly position: number
}

export interface ChunkTaken {
  readonly chunk: Memory
  readonly hash: Hash
}

/** To the thread: a chunk, or that a file is not written to any more. */
export type ChunkCall = ({ readonly id: number } & ChunkTask) | { readonly release: string }

export type ChunkAnswer = { readonly id: number; readonly chunk: Memory } & (
  | { readonly hash: Hash }
  | { readonly error: Error }
)

interface Pending {
  resolve(taken: ChunkTaken): void
  reject(error: Error): void
}

const program = new URL('./chunk-program.js', import.meta.url)

export class ChunkThread {
  #worker: Worker | null = null
  readonly #pending = new Map<number, Pending>()
  #lastId = 0
  #closed = false

  /** Verifies a chunk, and writes it if it is the right one. Rejects where the disk does not take it. */
  take(task: ChunkTask): Promise<ChunkTaken> {
    const worker = this.#running()
    this.#lastId += 1
    const id = this.#lastId
    // While somebody waits for it, the thread keeps the process alive.
    worker.ref()
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      const call: ChunkCall = { id, ...task }
      worker.postMessage(call, [task.chunk.buffer])
    })
  }

  /** A file is not written to any more. */
  release(path: string): void {
    const call: ChunkCall = { release: path }
    this.#worker?.postMessage(call)
  }

  close(): void {
    this.#closed = true
    this.#end(new Error('the network is closed'))
    void this.#worker?.terminate()
  }

  /** Started when it is needed first; most peers never fetch anything large. */
  #running(): Worker {
    if (this.#closed) throw new Error('the network is closed')
    if (this.#worker !== null) return this.#worker
    const worker = new Worker(program)
    worker.on('message', (answer: ChunkAnswer) => this.#receive(worker, answer))
    worker.on('error', (error) => this.#end(error))
    // The next chunk gets another thread: an attempt may have taken more memory than there was.
    worker.on('exit', (code) => {
      if (this.#worker === worker) this.#worker = null
      this.#end(new Error(`the thread that verifies chunks ended with code ${code}`))
    })
    this.#worker = worker
    return worker
  }

  #receive(worker: Worker, answer: ChunkAnswer): void {
    const pending = this.#pending.get(answer.id)
    this.#pending.delete(answer.id)
    if (this.#pending.size === 0) worker.unref()
    if ('error' in answer) pending?.reject(answer.error)
    else pending?.resolve(answer)
  }

  #end(error: Error): void {
    const waiting = [...this.#pending.values()]
    this.#pending.clear()
    for (const { reject } of waiting) reject(error)
  }
}
