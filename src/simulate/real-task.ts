// Real gradients in a simulation: one engine trains for all workers in turn, each with an inner optimizer of its own.
import type { Assignment } from '../core/entries.js'
import type { InnerState, Trainer } from '../ports/trainer.js'
import type { SimulatedTask, TrainedRound } from './task.js'

export class RealTask implements SimulatedTask {
  readonly #inner = new Map<string, InnerState>()
  /** The engine does one thing at a time. */
  #last: Promise<unknown> = Promise.resolve()

  private constructor(
    private readonly trainer: Trainer,
    private readonly theta: Float32Array,
    private readonly batches: number,
  ) {}

  /** @param batches held-out batches of one evaluation */
  static async open(trainer: Trainer, batches: number): Promise<RealTask> {
    return new RealTask(trainer, await trainer.initial(), batches)
  }

  get dimensions(): number {
    return this.theta.length
  }

  initial(): Float32Array {
    return this.theta.slice()
  }

  train(theta: Float32Array, { shard, position, steps }: Assignment, worker: string): Promise<TrainedRound> {
    return this.#inTurn(async () => {
      await this.trainer.restore(this.#inner.get(worker) ?? this.#fresh())
      const { gradient, inner, meanLoss } = await this.trainer.train(
        { theta, shard, position, steps },
        () => {},
      )
      this.#inner.set(worker, inner)
      return { gradient: gradient.slice(), loss: meanLoss }
    })
  }

  evaluate(theta: Float32Array): Promise<number> {
    return this.#inTurn(async () => (await this.trainer.evaluate(theta, this.batches)).loss)
  }

  #fresh(): InnerState {
    const { length } = this.theta
    return { m: new Float32Array(length), v: new Float32Array(length), updates: 0 }
  }

  #inTurn<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(task)
    this.#last = result.catch(() => {})
    return result
  }
}
