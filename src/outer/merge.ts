// How a cluster takes in the theta of the swarm above it, and what it still has to report there (HALoS, arXiv
// 2506.04531). Rounded after each operation in the written order, as every outer step.
import type { HierarchyConfig } from '../swarmfile/schema.js'
import { subtract } from '../tensor/vector.js'
import type { WholeState } from './fragments.js'

const { fround } = Math

/** The slot of a cluster's outer state from which it counts what it has moved by itself. */
export const mergedSlot = 'merged'

/** The pseudo-gradient of a whole cluster: what it has moved since it took in a theta last, and did not report. */
export function unreported({ theta, slots }: Pick<WholeState, 'theta' | 'slots'>): Float32Array {
  return subtract(mergedOf(slots), theta)
}

/**
 * theta' = (1 - alpha) theta + alpha Theta. What was moved and not reported, while a report was on its way or because
 * the codec left it out, is carried: merged' = theta' - (theta - (merged - sent)). As published merged' = theta', and
 * it is forgotten.
 *
 * @param above Theta of the swarm above
 * @param sent what was reported and applied there since the last merge; null if nothing was
 * @returns a state of fresh arrays, but for the slots that stay as they are
 */
export function merge(
  { theta, slots, phases }: WholeState,
  above: Float32Array,
  sent: Float32Array | null,
  { alpha, carry }: HierarchyConfig,
): WholeState {
  const merged = mergedOf(slots)
  const [own, others] = [fround(1 - alpha), fround(alpha)]
  const newTheta = new Float32Array(theta.length)
  const newMerged = new Float32Array(theta.length)
  for (let i = 0; i < theta.length; i++) {
    newTheta[i] = fround(fround(own * theta[i]) + fround(others * above[i]))
    const reached = sent === null ? merged[i] : fround(merged[i] - sent[i])
    newMerged[i] = carry ? fround(newTheta[i] - fround(theta[i] - reached)) : newTheta[i]
  }
  return { theta: newTheta, slots: { ...slots, [mergedSlot]: newMerged }, phases }
}

function mergedOf(slots: WholeState['slots']): Float32Array {
  const merged = slots[mergedSlot]
  if (merged === undefined) throw new Error('this outer state is not that of a cluster under another swarm')
  return merged
}
