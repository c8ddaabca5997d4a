// The outer optimizers by name, and the state a run starts from.
import { UserError } from '../core/user-error.js'
import { nearest } from '../swarmfile/nearest.js'
import { delayedNesterov } from './delayed-nesterov.js'
import { nesterov } from './nesterov.js'
import { sgd } from './sgd.js'
import type { OuterOptimizer, OuterState } from './strategy.js'

export type { OuterOptimizer, OuterState, OuterStep } from './strategy.js'

const optimizers: readonly OuterOptimizer[] = [delayedNesterov, nesterov, sgd]
export const outerOptimizerNames: readonly string[] = optimizers.map(({ name }) => name)

/** @throws UserError that names what was probably meant and all methods, if there is none of this name */
export function outerOptimizer(name: string): OuterOptimizer {
  const found = optimizers.find((optimizer) => optimizer.name === name)
  if (found !== undefined) return found
  const near = nearest(name, outerOptimizerNames)
  const guess = near === null ? '' : `did you mean '${near}'? `
  throw new UserError(
    'config',
    `there is no outer optimizer '${name}' (run.outer.method)`,
    `${guess}use one of: ${outerOptimizerNames.join(', ')}`,
  )
}

/** The state before the first contribution: a copy of `theta`, slots of zeros, phase 0. */
export function initialState(theta: Float32Array, optimizer: OuterOptimizer): OuterState {
  const slots = Object.fromEntries(optimizer.slots.map((slot) => [slot, new Float32Array(theta.length)]))
  return { theta: theta.slice(), slots, phase: 0 }
}
