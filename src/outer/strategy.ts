// What an outer optimizer is: a pure strategy from (state, contribution) to the next state.
import type { OuterConfig } from '../swarmfile/schema.js'

/** What the outer optimizer knows. Never modified: every step makes a new one. */
export interface OuterState {
  /** Server parameters, flat, fp32. */
  readonly theta: Float32Array
  /** The method's own vectors, each as long as theta, by the names in `OuterOptimizer.slots`. */
  readonly slots: Readonly<Record<string, Float32Array>>
  /** Contributions since the last cycle boundary; 0 for methods without cycles. */
  readonly phase: number
}

/**
 * One method. `apply` gives the same bits on every machine: fp32, rounded after each operation in the written
 * order, and only additions, multiplications, divisions and square roots.
 */
export interface OuterOptimizer {
  readonly name: string
  readonly slots: readonly string[]
  /** Why these options are refused, and what to do; null if they are accepted. */
  check(options: OuterConfig): string | null
  /** Factor on a pseudo-gradient of this staleness; the leader computes it once and it travels in the ledger. */
  weight(staleness: number, options: OuterConfig): number
  /**
   * The state after one pseudo-gradient (theta_start - theta_end). All arrays of the result are fresh.
   *
   * @param weight what `weight` gave, from the ledger
   */
  apply(state: OuterState, g: Float32Array, weight: number, options: OuterConfig): OuterState
}
