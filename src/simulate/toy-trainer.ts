// A trainer that is exact and instant: gradient descent on a quadratic whose optimum differs by shard.
import type { Assignment } from '../core/entries.js'
import { learningRateAt } from '../outer/learning-rate.js'
import { uniform } from '../outer/random.js'
import type { SimulatedTask, TrainedRound } from './task.js'

/** Loss of a shard s: |theta - optimum_s|^2 / 2 per coordinate. */
export class QuadraticTask implements SimulatedTask {
  constructor(
    readonly dimensions: number,
    readonly shards: number,
    readonly seed: number,
    readonly schedule: { peak: number; min: number; warmupSteps: number; totalSteps: readonly number[] },
  ) {}

  initial(): Float32Array {
    return Float32Array.from({ length: this.dimensions }, (_, i) => 4 * uniform(this.seed, 0, i) - 2)
  }

  /** The shards' optima differ, so that workers pull apart as real ones do. */
  optimum(shard: number): Float32Array {
    return Float32Array.from({ length: this.dimensions }, (_, i) => uniform(this.seed, 1 + shard, i))
  }

  train(theta: Float32Array, { shard, position, steps }: Assignment): TrainedRound {
    const optimum = this.optimum(shard)
    const x = theta.slice()
    let loss = 0
    for (let local = 0; local < steps; local++) {
      loss += this.#lossAt(x, optimum)
      const { totalSteps, ...schedule } = this.schedule
      const rate = learningRateAt(position + local, { ...schedule, totalSteps: totalSteps[shard] })
      for (let i = 0; i < x.length; i++) x[i] -= rate * (x[i] - optimum[i])
    }
    return { gradient: theta.map((value, i) => value - x[i]), loss: loss / steps }
  }

  /** Mean over the shards. */
  evaluate(theta: Float32Array): number {
    let sum = 0
    for (let shard = 0; shard < this.shards; shard++) sum += this.#lossAt(theta, this.optimum(shard))
    return sum / this.shards
  }

  #lossAt(theta: Float32Array, optimum: Float32Array): number {
    let sum = 0
    for (let i = 0; i < theta.length; i++) sum += (theta[i] - optimum[i]) ** 2 / 2
    return sum / theta.length
  }
}
