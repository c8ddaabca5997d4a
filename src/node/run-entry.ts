// How a peer comes into its run: it makes it, goes on with the one in its folder, or finds it.
import type { PeerId, RunId } from '../core/ids.js'
import { UserError } from '../core/user-error.js'
import { outerOptimizer } from '../outer/optimizer.js'
import { sha256 } from '../platform/sha256.js'
import type { Mesh } from '../ports/mesh.js'
import { type Genesis, runIdOf } from '../swarmfile/genesis.js'
import { checkDataset, type Dataset, loadDataset } from './dataset.js'
import { checkSameRun, foundRun, inForce } from './founding.js'
import type { Inbox } from './inbox.js'
import { Search } from './joining.js'
import type { Membership } from './membership.js'
import type { PeerOptions } from './options.js'
import type { Reporter } from './reporter.js'

export interface Entered {
  readonly run: RunId
  /** As it was made: its hash is the run's id. */
  readonly genesis: Genesis
  /** With this peer's own stop rule. */
  readonly inForce: Genesis
  readonly dataset: Dataset
  /** This peer begins the run. */
  readonly founds: boolean
  /** The folder has the genesis already. */
  readonly isKept: boolean
}

/** Makes a run. @throws UserError if it could never take its first outer step */
export async function found(options: PeerOptions, self: PeerId): Promise<Entered> {
  const { swarm } = options
  if (swarm === null) throw new Error('A run is founded from a swarm file.')
  const dataset = await loadDataset(swarm.run, swarm.run.data.corpus)
  outerOptimizer(swarm.run.outer.method)
  return entered(foundRun(swarm, dataset.manifest, self), options, dataset, { founds: true, isKept: false })
}

/** Goes on with the run of the own folder; nobody else is needed for that. @throws UserError if another one is meant */
export async function goOn(options: PeerOptions, kept: Genesis): Promise<Entered> {
  const run = runIdOf(kept, sha256)
  if (options.run !== null && options.run !== run)
    throw new UserError(
      'refused',
      `the folder ${options.folder} holds run ${run.slice(0, 12)}, and the ticket is for run ${options.run.slice(0, 12)}`,
      'pass the folder of that run with --out, or join it anew without --resume',
    )
  if (options.swarm !== null) checkSameRun(kept, options.swarm.run)
  return entered(kept, options, await datasetOf(kept, options), { founds: false, isKept: true })
}

/** Looks for the run, and then needs the text that it trains on. */
export async function join(
  options: PeerOptions,
  reporter: Reporter,
  inbox: Inbox,
  mesh: Mesh,
  membership: Membership | null,
  stop: AbortSignal,
): Promise<Entered> {
  const search = new Search(options, reporter)
  // Where the run is not open to everyone, a peer is asked before it counts as connected.
  const place = membership ?? inbox
  place.search = { greet: (peer) => search.greet(mesh, peer), lost: (peer) => search.lost(peer) }
  for (const peer of membership?.arrivals ?? inbox.connectedPeers) search.greet(mesh, peer)
  const genesis = await search.run(mesh, stop)
  place.search = null
  return entered(genesis, options, await datasetOf(genesis, options), { founds: false, isKept: false })
}

async function datasetOf(genesis: Genesis, { corpus, swarm }: PeerOptions): Promise<Dataset> {
  const path = corpus ?? swarm?.run.data.corpus ?? genesis.run.data.corpus
  const dataset = await loadDataset(genesis.run, path)
  checkDataset(dataset, genesis)
  return dataset
}

const entered = (
  genesis: Genesis,
  { swarm }: PeerOptions,
  dataset: Dataset,
  how: Pick<Entered, 'founds' | 'isKept'>,
): Entered => ({
  run: runIdOf(genesis, sha256),
  genesis,
  inForce: inForce(genesis, swarm),
  dataset,
  ...how,
})
