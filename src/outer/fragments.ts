// The outer state of a run, and a step on one fragment of it: every fragment has a cycle of its own, and what the method
// knows of it is its stretch of the vectors.
import type { OuterConfig, RunConfig } from '../swarmfile/schema.js'
import { type Fragment, fragmentAt } from '../tensor/fragments.js'
import type { OuterOptimizer, OuterState } from './strategy.js'

/** All fragments together. Never modified: every step makes a new one. */
export interface WholeState extends Omit<OuterState, 'phase'> {
  /** Of every fragment, in order: contributions of it since its last cycle boundary. */
  readonly phases: readonly number[]
}

/** In how many fragments a run's parameters are sent; 1 where everything is sent at once. */
export const fragmentCount = ({ fragments }: Pick<RunConfig, 'fragments'>): number => fragments?.count ?? 1

/** A state whose fragments are all at the same place of their cycles. */
export function wholeOf({ phase, ...vectors }: OuterState, count: number): WholeState {
  return { ...vectors, phases: new Array<number>(count).fill(phase) }
}

/** The phases when one fragment's has changed. */
export const withPhase = (phases: readonly number[], index: number, phase: number): number[] =>
  phases.map((old, i) => (i === index ? phase : old))

/**
 * The state after one pseudo-gradient of a fragment. All else keeps its values. Slots that the method does not know are
 * left as they are.
 *
 * @param index of the fragment, of as many as there are phases
 * @param g of the fragment alone
 * @param weight as for `OuterOptimizer.apply`
 */
export function applyToFragment(
  { theta, slots, phases }: WholeState,
  index: number,
  g: Float32Array,
  weight: number,
  optimizer: OuterOptimizer,
  options: OuterConfig,
): WholeState {
  const fragment = fragmentAt(theta.length, phases.length, index)
  const own = optimizer.slots.map((name): [string, Float32Array] => [name, slots[name]])
  const state: OuterState = {
    theta: theta.subarray(fragment.start, fragment.end),
    slots: Object.fromEntries(own.map(([name, slot]) => [name, slot.subarray(fragment.start, fragment.end)])),
    phase: phases[index],
  }
  const next = optimizer.apply(state, g, weight, options)
  const stepped = own.map(([name, slot]): [string, Float32Array] => [
    name,
    withStretch(slot, fragment, next.slots[name]),
  ])
  return {
    theta: withStretch(theta, fragment, next.theta),
    slots: { ...slots, ...Object.fromEntries(stepped) },
    phases: withPhase(phases, index, next.phase),
  }
}

/** @returns `stretch` itself where it is all there is */
function withStretch(values: Float32Array, { start }: Fragment, stretch: Float32Array): Float32Array {
  if (stretch.length === values.length) return stretch
  const changed = values.slice()
  changed.set(stretch, start)
  return changed
}
