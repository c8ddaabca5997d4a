// Where the log lies that a recovery by force is about: of a flat run, of a cluster, or of the swarm above the clusters.
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type PeerId, peerId } from '../core/ids.js'
import { UserError } from '../core/user-error.js'
import { loadGenesis } from '../node/founding.js'
import { peerPaths, type ReplicaPaths, runPaths } from '../store/run-paths.js'
import { errorCode, storeError } from '../store/store-error.js'
import { peerNames } from './run-peers.js'

/** The only swarm of a flat run, the own one of a replica's cluster, or the one above the clusters. */
export type RecoveredSwarm = 'run' | 'cluster' | 'above'

export interface Place {
  readonly swarm: RecoveredSwarm
  readonly paths: ReplicaPaths
  /** Whose log it is. */
  readonly self: PeerId
}

/** @throws UserError if the peer is none of the folder's, or was no replica there */
export async function placeOf(folder: string, name: string, above: boolean): Promise<Place> {
  const known = peerNames(folder)
  if (!known.includes(name)) {
    const names = known.length === 0 ? 'it has none' : `choose one of ${known.join(', ')}`
    throw new UserError(
      'usage',
      `${folder} holds no peer ${name}`,
      `give a peer of this folder with --name: ${names}`,
    )
  }
  const { genesis: path } = runPaths(folder)
  const genesis = await loadGenesis(path)
  const isHierarchical = genesis?.run.hierarchy !== undefined
  if (above && genesis !== null && !isHierarchical) throw noSwarmAbove(folder)
  const own = peerPaths(folder, name)
  const swarm = above ? 'above' : isHierarchical ? 'cluster' : 'run'
  const paths = above ? own.above : own
  if (!existsSync(paths.journal)) throw holdsNothing(name, { swarm, paths })
  for (const needed of [path, own.key]) if (!existsSync(needed)) throw cannotResume(name, needed)
  const self = await ownerOf(paths)
  if (self === null) throw holdsNothing(name, { swarm, paths })
  return { swarm, paths, self }
}

/** Whose log it is; null where it was never written to. */
export async function ownerOf({ replica }: ReplicaPaths): Promise<PeerId | null> {
  try {
    return peerId((await readFile(replica, 'utf8')).trim())
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw storeError('read', replica, error)
  }
}

const noSwarmAbove = (folder: string): UserError =>
  new UserError(
    'usage',
    `--above: the run in ${folder} has no swarm above its clusters`,
    'leave --above away; it is for runs with run.hierarchy',
  )

const voterOf = {
  run: 'its run',
  cluster: "its cluster's own swarm",
  above: 'the swarm above the clusters',
} as const

export const holdsNothing = (name: string, { swarm, paths }: Pick<Place, 'swarm' | 'paths'>): UserError =>
  new UserError(
    'storage',
    `${name} cannot be made the voter of ${voterOf[swarm]}: it is no replica, ${dirname(paths.journal)} holds no ledger with a snapshot`,
    'name another peer that was a replica; where none is left, start a new run from the latest checkpoint (run.warmStart)',
  )

const cannotResume = (name: string, path: string): UserError =>
  new UserError(
    'storage',
    `${name} could not go on with its run afterwards: ${path} is missing`,
    'restore the file from a copy, or name another peer',
  )
