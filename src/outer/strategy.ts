// What an outer optimizer is: a pure strategy from (state, contribution) to the next state.
import type { OuterConfig } from '../swarmfile/schema.js'

/** What the outer optimizer knows: of all parameters, or of the fragment at hand. Never modified. */
export interface OuterState {
  /** Server parameters, flat, fp32. */
  readonly theta: Float32Array
  /** The method's own vectors, each as long as theta, by the names in `OuterOptimizer.slots`. */
  readonly slots: Readonly<Record<string, Float32Array>>
  /** Contributions since the last cycle boundary; 0 for methods without cycles. */
  readonly phase: number
}

/**
 * The arithmetic of one step by its rule, and the numbers in it, each of them one of fp32: all that a kernel which
 * takes the same step needs to know of the method and its options.
 */
export type OuterStep =
  | { readonly rule: 'sgd'; readonly weight: number; readonly eps: number }
  | { readonly rule: 'nesterov'; readonly weight: number; readonly eps: number; readonly beta: number }
  | BetweenMilestones
  | Milestone

/** A step of delayed Nesterov that collects its pseudo-gradient, */
export interface BetweenMilestones {
  readonly rule: 'between-milestones'
  readonly weight: number
  readonly eps: number
  readonly N: number
  /** c beta */
  readonly cBeta: number
}

/** and one that takes the collected ones into the momentum. */
export interface Milestone {
  readonly rule: 'milestone'
  readonly weight: number
  readonly eps: number
  readonly N: number
  readonly beta: number
  /** (1 - cN + c) beta */
  readonly remainder: number
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
  /** What `apply` computes at this phase, with this weight. */
  step(phase: number, weight: number, options: OuterConfig): OuterStep
  /**
   * The state after one pseudo-gradient (theta_start - theta_end). All arrays of the result are fresh.
   *
   * @param weight what `weight` gave, from the ledger
   */
  apply(state: OuterState, g: Float32Array, weight: number, options: OuterConfig): OuterState
}
