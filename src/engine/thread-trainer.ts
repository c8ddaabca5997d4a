// The trainer that a peer's main thread holds: every call is carried out by the training thread.
import { SHARE_ENV, Worker } from 'node:worker_threads'
import { UserError } from '../core/user-error.js'
import {
  type Coded,
  type EngineInfo,
  type Evaluation,
  type InnerState,
  type Round,
  RoundAborted,
  type RoundResult,
  type StepReport,
  type Trainer,
  type TrainerSetup,
  type Uncoded,
} from '../ports/trainer.js'
import {
  type Answer,
  type Call,
  type CallName,
  type Calls,
  CLOSE,
  CLOSING,
  fromWords,
  START,
  type ThreadSetup,
} from './calls.js'
import { shared } from './shared.js'

interface Pending {
  readonly name: CallName | 'start'
  resolve(value: unknown): void
  reject(error: Error): void
  readonly onStep?: (report: StepReport) => void
}

/** Ids that no call has: nothing aborted yet. START is not a call to `train`. */
const NOTHING = START

/** The thread's program. */
const program = new URL('./thread.js', import.meta.url)

/**
 * Starts a training thread.
 * @param warn is told when the engine fails and another takes its place
 * @param entry what the thread runs; a parameter so that tests can run one that dies
 * @throws UserError when the engine cannot be had or the model's sizes do not fit together
 */
export async function openTrainer(
  setup: TrainerSetup,
  warn: (message: string) => void,
  entry: URL = program,
): Promise<Trainer> {
  const thread = new TrainingThread(setup, warn, entry)
  try {
    return new ThreadTrainer(thread, await thread.started)
  } catch (error) {
    await thread.close()
    throw error
  }
}

class ThreadTrainer implements Trainer {
  constructor(
    private readonly thread: TrainingThread,
    private readonly first: EngineInfo,
  ) {}

  get info(): EngineInfo {
    return this.thread.replacement ?? this.first
  }

  initial(): Promise<Float32Array> {
    return this.thread.call('initial', () => null)
  }
  rehearse(theta: Float32Array): Promise<number> {
    return this.thread.call('rehearse', async () => ({ theta: await shared(theta) }))
  }
  train(round: Round, onStep: (report: StepReport) => void): Promise<RoundResult> {
    return this.thread.call('train', async () => ({ ...round, theta: await shared(round.theta) }), onStep)
  }
  abort(): void {
    this.thread.abort()
  }
  code(uncoded: Uncoded): Promise<Coded> {
    const { gradient, residual } = uncoded
    return this.thread.call('code', async () => ({
      ...uncoded,
      gradient: await shared(gradient),
      residual: residual === null ? null : await shared(residual),
    }))
  }
  async restore({ m, v, updates }: InnerState): Promise<void> {
    await this.thread.call('restore', async () => ({ m: await shared(m), v: await shared(v), updates }))
  }
  evaluate(theta: Float32Array, batches: number): Promise<Evaluation> {
    return this.thread.call('evaluate', async () => ({ theta: await shared(theta), batches }))
  }
  generate(
    theta: Float32Array,
    prompt: readonly number[],
    length: number,
    temperature: number,
    seed: number,
  ): Promise<number[]> {
    const takes = async () => ({ theta: await shared(theta), prompt, length, temperature, seed })
    return this.thread.call('generate', takes)
  }
  close(): Promise<void> {
    return this.thread.close()
  }
}

/** The worker and the calls that wait for it. */
class TrainingThread {
  readonly started: Promise<EngineInfo>
  readonly #worker: Worker
  readonly #exited: Promise<void>
  readonly #aborted = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  readonly #pending = new Map<number, Pending>()
  #lastId = START
  /** Ids of the round under way, and of the last one that was aborted. */
  #round = NOTHING
  #abortedRound = NOTHING
  /** The engine that took the place of the first one. */
  #replacement: EngineInfo | null = null
  /** Why no more calls are taken. */
  #ended: Error | null = null
  /** Calls leave in the order in which they were made, also where copying takes a while. */
  #sent: Promise<void> = Promise.resolve()

  constructor(
    setup: TrainerSetup,
    private readonly warn: (message: string) => void,
    entry: URL,
  ) {
    const workerData: ThreadSetup = { setup, aborted: this.#aborted }
    // With a copied environment, native libraries would not see the variables that the thread sets for them.
    this.#worker = new Worker(entry, { workerData, env: SHARE_ENV })
    this.started = new Promise((resolve, reject) => {
      const start: Pending = { name: 'start', resolve: resolve as (value: unknown) => void, reject }
      this.#pending.set(START, start)
    })
    this.#worker.on('message', (answer: Answer) => this.#receive(answer))
    this.#worker.on('error', (error) => this.#end(threadDied(error.message, error)))
    this.#exited = new Promise((resolve) => {
      this.#worker.on('exit', (code) => {
        this.#end(threadDied(`it ended with code ${code}`))
        resolve()
      })
    })
  }

  get replacement(): EngineInfo | null {
    return this.#replacement
  }

  /** Makes a call; `prepare` gives what it takes. */
  call<Name extends CallName>(
    name: Name,
    prepare: () => Calls[Name]['takes'] | Promise<Calls[Name]['takes']>,
    onStep?: (report: StepReport) => void,
  ): Promise<Calls[Name]['gives']> {
    if (this.#ended !== null) return Promise.reject(this.#ended)
    if (name === 'train' && this.#round !== NOTHING && this.#round !== this.#abortedRound) {
      return Promise.reject(new Error('a round is under way already: abort it or wait for it'))
    }
    this.#lastId += 1
    const id = this.#lastId
    const undo = this.#abortedRound
    if (name === 'train') this.#round = id
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { name, resolve: resolve as (value: unknown) => void, reject, onStep })
      this.#sent = this.#sent.then(async () => {
        try {
          this.#worker.postMessage({ id, name, takes: await prepare(), undo } as Call)
        } catch (error) {
          this.#settle(id)?.reject(error as Error)
        }
      })
    })
  }

  abort(): void {
    if (this.#round === NOTHING || this.#ended !== null) return
    this.#abortedRound = this.#round
    Atomics.store(this.#aborted, 0, this.#round)
    Atomics.notify(this.#aborted, 0)
  }

  /** Ends the thread after the step under way: ended within one, a native library would end the whole process. */
  close(): Promise<void> {
    this.#end(new RoundAborted('the trainer was closed'))
    Atomics.store(this.#aborted, 0, CLOSING)
    Atomics.notify(this.#aborted, 0)
    this.#worker.postMessage(CLOSE)
    return this.#exited
  }

  #receive(answer: Answer): void {
    switch (answer.kind) {
      case 'step':
        if (answer.id !== this.#abortedRound) this.#pending.get(answer.id)?.onStep?.(answer.report)
        return
      case 'replaced':
        this.#replacement = answer.info
        this.warn(answer.warning)
        return
      case 'failed':
        this.#settle(answer.id)?.reject(fromWords(answer.error))
        return
      case 'done': {
        const call = this.#settle(answer.id)
        // It finished before it saw the abort; the next call tells the thread to undo it.
        const tooLate = call?.name === 'train' && answer.id === this.#abortedRound
        if (tooLate) call.reject(new RoundAborted('aborted as the round finished'))
        else call?.resolve(answer.gives)
        return
      }
    }
  }

  #settle(id: number): Pending | undefined {
    const call = this.#pending.get(id)
    this.#pending.delete(id)
    if (id === this.#round) this.#round = NOTHING
    return call
  }

  /** Rejects every call, now and later. */
  #end(reason: Error): void {
    this.#ended ??= reason
    for (const call of this.#pending.values()) call.reject(this.#ended)
    this.#pending.clear()
  }
}

function threadDied(why: string, cause?: Error): UserError {
  return new UserError(
    'engine',
    `the training thread died: ${why}`,
    'start the peer again with --resume; if it was out of memory, choose a smaller model or batch',
    { cause },
  )
}
