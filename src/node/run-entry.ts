// How a peer comes into its run: it makes it, goes on with the one in its folder, or finds it.
import { existsSync } from 'node:fs'
import type { RunId } from '../core/ids.js'
import { UserError } from '../core/user-error.js'
import { builtinName } from '../data/corpus.js'
import { outerOptimizer } from '../outer/optimizer.js'
import { sha256 } from '../platform/sha256.js'
import type { Mesh } from '../ports/mesh.js'
import { runPaths } from '../store/run-paths.js'
import { type Genesis, runIdOf } from '../swarmfile/genesis.js'
import type { OuterConfig } from '../swarmfile/schema.js'
import { checkDataset, type Dataset, datasetOfTokens, loadDataset } from './dataset.js'
import { corpusFromMembers } from './fetched-corpus.js'
import { checkSameFile, checkSameRun, foundRun, inForce, ownCorpus } from './founding.js'
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
  /** The cluster that this peer is in. */
  readonly cluster: string
}

/** By what a peer comes into its run. */
export interface Entering {
  readonly mesh: Mesh
  /** Null in a run that is open to everyone. */
  readonly membership: Membership | null
  readonly reporter: Reporter
  /** The cluster that it was in before; null where it comes for the first time. */
  readonly before: string | null
  readonly stop: AbortSignal
}

/** Makes a run. @throws UserError if it could never take its first outer step */
export async function found(options: PeerOptions, { mesh: { self } }: Entering): Promise<Entered> {
  const { swarm } = options
  if (swarm === null) throw new Error('A run is founded from a swarm file.')
  const dataset = await loadDataset(swarm.run, swarm.run.data.corpus)
  checkOuter(swarm.run.outer, 'run.outer')
  if (swarm.run.hierarchy !== undefined) checkOuter(swarm.run.hierarchy.outer, 'run.hierarchy.outer')
  const genesis = foundRun(swarm, dataset.manifest, self)
  const cluster = clusterFor(options, genesis, { before: null, member: null })
  return { ...entered(genesis, options, dataset, cluster), founds: true }
}

/** @throws UserError if the method does not take these options */
function checkOuter(options: OuterConfig, key: string): void {
  const problem = outerOptimizer(options.method).check(options)
  if (problem === null) return
  throw new UserError('config', `${key}: ${problem}`, 'change it in the swarm file, or by --set')
}

/** Goes on with the run of the own folder; nobody else is needed for that. @throws UserError if another one is meant */
export async function goOn(options: PeerOptions, kept: Genesis, entering: Entering): Promise<Entered> {
  const run = runIdOf(kept, sha256)
  if (options.run !== null && options.run !== run)
    throw new UserError(
      'refused',
      `the folder ${options.folder} holds run ${run.slice(0, 12)}, and the ticket is for run ${options.run.slice(0, 12)}`,
      'pass the folder of that run with --out, or join it anew without --resume',
    )
  if (options.swarm !== null) checkSameRun(kept, options.swarm.run)
  const cluster = clusterFor(options, kept, { before: entering.before, member: null })
  const dataset = await datasetOf(kept, cluster, options, entering)
  return { ...entered(kept, options, dataset, cluster), isKept: true }
}

/** Looks for the run, and then needs the text that it trains on. */
export async function join(options: PeerOptions, inbox: Inbox, entering: Entering): Promise<Entered> {
  const { mesh, membership, reporter, stop } = entering
  const search = new Search(options, reporter)
  // Where the run is not open to everyone, a peer is asked before it counts as connected.
  const place = membership ?? inbox
  place.search = { greet: (peer) => search.greet(mesh, peer), lost: (peer) => search.lost(peer) }
  for (const peer of membership?.arrivals ?? inbox.connectedPeers) search.greet(mesh, peer)
  const { genesis, cluster: member } = await search.run(mesh, stop)
  place.search = null
  // Members of a run that is not open to everyone do not ask for the file: it would tell them of another run.
  if (membership !== null && options.swarm !== null) checkSameFile(genesis, options.swarm.run)
  const cluster = clusterFor(options, genesis, { before: null, member })
  if (cluster === member && isUnplaced(options))
    reporter.warn(
      `This peer goes to cluster ${cluster}, that of the member who answered first; --cluster chooses among ${namesOf(genesis)}.`,
    )
  return entered(genesis, options, await datasetOf(genesis, cluster, options, entering), cluster)
}

/**
 * The cluster asked for, else the one that the file gives this peer, else where it was before, else that of the member
 * who answered it, else the run's first.
 *
 * @throws UserError for one that the run does not have, or one whose swarm is not that of the own folder
 */
function clusterFor(
  options: PeerOptions,
  genesis: Genesis,
  { before, member }: Record<'before' | 'member', string | null>,
): string {
  const { cluster: asked, swarm, name, folder } = options
  const { clusters, run } = genesis
  const given = asked ?? swarm?.peers.find((peer) => peer.name === name)?.cluster ?? null
  const cluster = given ?? before ?? member ?? clusters[0].name
  if (!clusters.some((known) => known.name === cluster))
    throw new UserError(
      'usage',
      `cluster ${cluster} is not one of the run's: ${namesOf(genesis)}`,
      `choose one of ${namesOf(genesis)} with --cluster${before === null ? ', or leave it away' : ''}`,
    )
  if (run.hierarchy !== undefined && before !== null && cluster !== before)
    throw new UserError(
      'usage',
      `${name} was in cluster ${before}, and what it keeps in ${folder} is of that cluster's swarm, not of ${cluster}'s`,
      `go on with --cluster ${before}, or join ${cluster} with another name and folder`,
    )
  return cluster
}

const isUnplaced = ({ cluster, swarm }: PeerOptions): boolean => cluster === null && swarm === null

const namesOf = ({ clusters }: Genesis): string => clusters.map(({ name }) => name).join(', ')

/** From the text of this machine; where it has none, from members of the run. */
async function datasetOf(
  genesis: Genesis,
  cluster: string,
  options: PeerOptions,
  { mesh, membership, reporter, stop }: Entering,
): Promise<Dataset> {
  const { corpus, swarm, folder } = options
  const path = corpus ?? swarm?.run.data.corpus ?? genesis.run.data.corpus
  if (corpus === null && isLacking(path)) {
    // Only then do members let it have anything.
    membership?.enter(genesis, () => ({ leader: null, leaderAddresses: [] }))
    mesh.enter(runIdOf(genesis, sha256), cluster)
    const wanted = { mesh, manifest: genesis.data, path: runPaths(folder).corpus, reporter, stop }
    return datasetOfTokens(genesis, await corpusFromMembers(wanted))
  }
  const dataset = await loadDataset(genesis.run, path)
  checkDataset(dataset, genesis)
  return dataset
}

/** A path of the swarm file may be another machine's; one given to this peer itself is meant. */
export const isLacking = (path: string): boolean =>
  path === ownCorpus || (path !== builtinName && !existsSync(path))

const entered = (genesis: Genesis, { swarm }: PeerOptions, dataset: Dataset, cluster: string): Entered => ({
  run: runIdOf(genesis, sha256),
  genesis,
  inForce: inForce(genesis, swarm),
  dataset,
  founds: false,
  isKept: false,
  cluster,
})
