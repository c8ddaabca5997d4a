// One peer from start to end: its folder, its network, its run, its engine, and the core that decides.
import { createMesh, generateIdentity } from '../network/mesh.js'
import { outerOptimizer } from '../outer/optimizer.js'
import { sha256 } from '../platform/sha256.js'
import type { Mesh } from '../ports/mesh.js'
import { loadOrCreateKey } from '../store/identity.js'
import { type Genesis, runIdOf } from '../swarmfile/genesis.js'
import { writeTicket } from '../wire/ticket.js'
import { checkDataset, type Dataset, loadDataset } from './dataset.js'
import {
  answerHello,
  checkFounder,
  checkHoldsRun,
  checkSameRun,
  foundRun,
  keepGenesis,
  loadGenesis,
} from './founding.js'
import { Inbox } from './inbox.js'
import { Search } from './joining.js'
import type { PeerOptions, PeerOutcome, RunPeer } from './options.js'
import { PeerDisk } from './peer-disk.js'
import { PeerNode } from './peer-node.js'
import { Reporter } from './reporter.js'
import { clusterOf } from './setup.js'

export const runPeer: RunPeer = async (given, watch, stop) => {
  const options = withOwnCorpus(given)
  const disk = new PeerDisk(options.folder, options.name)
  const closing: (() => Promise<void>)[] = [() => disk.close()]
  try {
    if (options.founder && options.resume) await checkHoldsRun(disk.run)
    await disk.lock()
    // Until there is a run, nothing of it is worth keeping; a peer of a file may share the folder of one that is.
    if ((options.founder || options.swarm === null) && !options.resume) closing[0] = () => disk.discard()
    const events = await disk.events((error) =>
      reporter.warn(`${error.message}; events are no longer written`),
    )
    const reporter: Reporter = new Reporter(options.name, [(record) => events.write(record), watch])
    const inbox = new Inbox(reporter)
    const mesh = await createMesh({
      privateKey: await loadOrCreateKey(disk.paths.key, generateIdentity),
      listen: options.listen,
      bootstrap: [],
      mdns: options.mdns,
      handlers: inbox,
      links: options.swarm?.links ?? [],
      cluster: options.cluster ?? '',
      log: options.verbose ? (line) => process.stderr.write(`${options.name}: ${line}\n`) : () => {},
    })
    closing.push(() => mesh.close())
    const found = options.founder
      ? founding(options, disk, mesh)
      : joining(options, reporter, inbox, mesh, stop)
    const { genesis, dataset } = await found
    closing[0] = () => disk.close()
    stop.throwIfAborted()
    enter(mesh, inbox, reporter, genesis, options)
    const node = await PeerNode.start({ options, disk, mesh, inbox, reporter, genesis, dataset }, stop)
    closing.push(() => node.close())
    return await node.run(stop)
  } catch (error) {
    if (stop.aborted && (error as Error).name === 'AbortError')
      return { kind: 'stopped' } satisfies PeerOutcome
    throw error
  } finally {
    for (const close of closing.reverse()) await close()
  }
}

/** What `--corpus` names is what the run trains on, or what this peer asks for: it belongs in the configuration. */
function withOwnCorpus(options: PeerOptions): PeerOptions {
  const { swarm, corpus } = options
  if (swarm === null || corpus === null) return options
  const run = { ...swarm.run, data: { ...swarm.run.data, corpus } }
  return { ...options, swarm: { ...swarm, run } }
}

interface Entered {
  readonly genesis: Genesis
  readonly dataset: Dataset
}

/** The founder makes the run, or goes on with the one in its folder. */
async function founding(options: PeerOptions, disk: PeerDisk, mesh: Mesh): Promise<Entered> {
  const { swarm } = options
  if (swarm === null) throw new Error('A run is founded from a swarm file.')
  const dataset = await loadDataset(swarm.run, swarm.run.data.corpus)
  const kept = options.resume ? await loadGenesis(disk.run.genesis) : null
  if (kept !== null) {
    checkFounder(kept, mesh.self, disk.paths.key)
    checkSameRun(kept, swarm.run)
    checkDataset(dataset, kept)
    return { genesis: { ...kept, run: { ...kept.run, stop: swarm.run.stop } }, dataset }
  }
  // A run that could never take its first outer step must not begin.
  outerOptimizer(swarm.run.outer.method)
  const genesis = foundRun(swarm, dataset.manifest, mesh.self)
  await keepGenesis(disk.run.genesis, genesis)
  return { genesis, dataset }
}

/** Everyone else finds the run, and then needs the text that it trains on. */
async function joining(
  options: PeerOptions,
  reporter: Reporter,
  inbox: Inbox,
  mesh: Mesh,
  stop: AbortSignal,
): Promise<Entered> {
  const search = new Search(options, reporter)
  inbox.search = { greet: (peer) => search.greet(mesh, peer), lost: (peer) => search.lost(peer) }
  for (const peer of inbox.connectedPeers) search.greet(mesh, peer)
  const { genesis } = await search.run(mesh, stop)
  inbox.search = null
  const path = options.corpus ?? options.swarm?.run.data.corpus ?? genesis.run.data.corpus
  const dataset = await loadDataset(genesis.run, path)
  checkDataset(dataset, genesis)
  return { genesis, dataset }
}

function enter(mesh: Mesh, inbox: Inbox, reporter: Reporter, genesis: Genesis, options: PeerOptions): void {
  const run = runIdOf(genesis, sha256)
  const cluster = clusterOf(options, genesis.clusters)
  mesh.enter(run, cluster)
  const leader = genesis.founder
  inbox.answer = (_, hello) =>
    answerHello(genesis, leader, leader === mesh.self ? mesh.addresses() : [], hello)
  const addresses = mesh.addresses()
  reporter.report({
    type: 'listening',
    id: mesh.self,
    addresses,
    ticket: addresses.length === 0 ? null : writeTicket({ run, name: genesis.name, addresses }),
  })
}
