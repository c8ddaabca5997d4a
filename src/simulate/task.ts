// What the workers of a simulation train: something exact and instant, or the real model with real gradients.
import type { Assignment } from '../core/entries.js'

export interface TrainedRound {
  /** theta at the start minus theta at the end, flat. The caller may change it. */
  readonly gradient: Float32Array
  /** Mean over the steps. */
  readonly loss: number
}

/**
 * A task whose answers may take real time, for which virtual time stands still: a promise is waited for before
 * anything else happens. One that answers at once keeps the simulation synchronous.
 */
export interface SimulatedTask {
  /** Length of theta. */
  readonly dimensions: number
  /** Where a run starts: the same at every call. */
  initial(): Float32Array
  /** Takes the local steps of a round from `theta`, which it leaves as it is. */
  train(
    theta: Float32Array,
    assignment: Assignment,
    /** Name of the worker, whose inner optimizer's state is its own. */
    worker: string,
  ): TrainedRound | Promise<TrainedRound>
  /** Loss on what nobody trains on. */
  evaluate(theta: Float32Array): number | Promise<number>
}
