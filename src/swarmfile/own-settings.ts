// What a peer that joins without a file may set: the keys of its own entry, not those of the run.
import { UserError } from '../core/user-error.js'
import { parseSwarmFile } from './parse.js'

export interface OwnSettings {
  readonly slowdown: number
  readonly microBatch?: number
  readonly listen: readonly string[]
}

const ownKeys = ['slowdown', 'microBatch', 'listen'] as const

// A peer that joins from elsewhere must be reachable from elsewhere: every interface, any free port.
const REACHABLE = ['/ip4/0.0.0.0/tcp/0']

/** Reads `key=value` assignments of a joining peer. Throws a `UserError` that names what it may not or cannot set. */
export function parseOwnSettings(assignments: readonly string[]): OwnSettings {
  const strange = assignments.filter(
    (text) => !ownKeys.some((key) => new RegExp(`^${key}\\b`).test(text.trim())),
  )
  if (strange.length > 0)
    throw new UserError(
      'usage',
      `--set ${strange[0]}: the configuration of a run was fixed when it was founded`,
      `a joining peer sets only its own ${ownKeys.join(', ')}, as in --set slowdown=2`,
    )
  // The smallest file there is, so that the one schema and its messages apply.
  const file = JSON.stringify({
    name: 'join',
    clusters: [{ name: 'any' }],
    peers: [{ name: 'self', cluster: 'any', listen: REACHABLE }],
  })
  const { peers } = parseSwarmFile(
    file,
    'the command line',
    assignments.map((text) => `peers.0.${text.trim()}`),
  )
  const { slowdown, microBatch, listen } = peers[0]
  return { slowdown, microBatch, listen }
}
