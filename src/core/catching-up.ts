// How a replica that lacks a part of the ledger gets the parameters that come of it: by the contributions that were
// applied meanwhile, or by a snapshot of the outer state.
import { outerOptimizer } from '../outer/optimizer.js'
import { payloadBytes } from './compressing.js'
import type { Index } from './ids.js'
import type { Turn } from './state.js'

export interface CatchingUp {
  readonly by: 'entries' | 'snapshot'
  readonly reason: string
}

/**
 * The way of fewer bytes.
 *
 * @param payloads bytes of every contribution that it lacks
 * @param snapshot bytes of the outer state
 */
export function cheapestWay(payloads: readonly number[], snapshot: number): CatchingUp {
  const sum = payloads.reduce((total, bytes) => total + bytes, 0)
  const lacks = `${payloads.length} contributions that it lacks have ${megabytes(sum)}`
  if (sum <= snapshot) return { by: 'entries', reason: `the ${lacks}, a snapshot has ${megabytes(snapshot)}` }
  return { by: 'snapshot', reason: `a snapshot has ${megabytes(snapshot)}, the ${lacks}` }
}

/** @param last entry that it has; null if it has no log */
export function wayToCatchUp(turn: Turn, last: Index | null): CatchingUp {
  const { replica, setup } = turn.state
  if (last === null) return { by: 'snapshot', reason: 'it has no log' }
  if (replica === null || last < replica.base.index)
    return { by: 'snapshot', reason: 'the log does not go back to where it stopped' }
  const lacked = replica.log.filter(({ index }) => index > last)
  const payloads = lacked.flatMap((entry) => (entry.kind === 'apply' ? [payloadBytes(turn, entry)] : []))
  const vectors = 1 + outerOptimizer(setup.run.outer.method).slots.length
  return cheapestWay(payloads, vectors * setup.parameters * Float32Array.BYTES_PER_ELEMENT)
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`
