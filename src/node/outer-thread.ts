// The thread of the outer state, as the main thread holds it: calls are carried out one after another.
import { Worker } from 'node:worker_threads'
import { UserError } from '../core/user-error.js'
import {
  type Answer,
  type Call,
  type CallName,
  type Calls,
  fromWords,
  type OuterSetup,
} from './outer-calls.js'

/** The thread's program. */
export const outerProgram = new URL('./outer-program.js', import.meta.url)

interface Pending {
  resolve(value: unknown): void
  reject(error: Error): void
}

/** The thread ended by itself: nothing that needs it succeeds any more. */
export class OuterThreadDied extends UserError {
  constructor(why: string, cause?: Error) {
    super(
      'engine',
      `the thread that takes the outer steps died: ${why}`,
      'start the peer again with --resume; if it was out of memory, choose a smaller model',
      { cause },
    )
  }
}

export class OuterThread {
  readonly #worker: Worker
  readonly #pending = new Map<number, Pending>()
  #lastId = 0
  /** Why no more calls are taken. */
  #ended: Error | null = null

  /** @param entry what the thread runs */
  constructor({ outer, hierarchy, fragments, compression }: OuterSetup, entry: URL) {
    const workerData: OuterSetup = { outer, hierarchy, fragments, compression }
    this.#worker = new Worker(entry, { workerData })
    this.#worker.on('message', (answer: Answer) => this.#receive(answer))
    this.#worker.on('error', (error) => this.#end(new OuterThreadDied(error.message, error)))
    this.#worker.on('exit', (code) => this.#end(new OuterThreadDied(`it ended with code ${code}`)))
    this.#worker.unref()
  }

  /** @param transfer memory in `takes` that the thread gets and this one loses */
  call<Name extends CallName>(
    name: Name,
    takes: Calls[Name]['takes'],
    transfer: ArrayBuffer[] = [],
  ): Promise<Calls[Name]['gives']> {
    if (this.#ended !== null) return Promise.reject(this.#ended)
    this.#lastId += 1
    const id = this.#lastId
    // While somebody waits for it, the thread keeps the process alive.
    this.#worker.ref()
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve: resolve as (value: unknown) => void, reject })
      this.#worker.postMessage({ id, name, takes } as Call, transfer)
    })
  }

  /** Ends the thread, in the midst of a step too: no native engine runs in it. Calls under way are rejected. */
  async close(): Promise<void> {
    this.#end(new Error('the outer states were closed'))
    await this.#worker.terminate()
  }

  #receive(answer: Answer): void {
    const call = this.#pending.get(answer.id)
    this.#pending.delete(answer.id)
    if (this.#pending.size === 0) this.#worker.unref()
    if (answer.kind === 'done') call?.resolve(answer.gives)
    else call?.reject(fromWords(answer.error))
  }

  /** Rejects every call, now and later. */
  #end(reason: Error): void {
    this.#ended ??= reason
    for (const call of this.#pending.values()) call.reject(this.#ended)
    this.#pending.clear()
  }
}
