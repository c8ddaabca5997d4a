// One peer from start to end: its folder, its network, its run, its engine, and the core that decides.
import { createMesh } from '../network/mesh.js'
import type { Mesh } from '../ports/mesh.js'
import type { Genesis } from '../swarmfile/genesis.js'
import { writeTicket } from '../wire/ticket.js'
import { loadContacts } from './contacts.js'
import { answerHello, checkHoldsRun, type KnownLeader, loadGenesis } from './founding.js'
import { Inbox } from './inbox.js'
import type { PeerOptions, PeerOutcome, RunPeer } from './options.js'
import { takeIdentity } from './own-identity.js'
import { PeerDisk } from './peer-disk.js'
import { PeerNode } from './peer-node.js'
import { attemptLine, reachOf } from './reach.js'
import { Reporter } from './reporter.js'
import { type Entered, found, goOn, join } from './run-entry.js'
import { clusterOf } from './setup.js'

export const runPeer: RunPeer = async (given, watch, stop) => {
  const options = withOwnCorpus(given)
  const { founder, resume, bootstrap } = options
  const disk = new PeerDisk(options.folder, options.name)
  const closing: (() => Promise<void>)[] = [() => disk.close()]
  try {
    if (founder && resume) await checkHoldsRun(disk.run)
    await disk.lock()
    // Until there is a run, nothing of it is worth keeping; a peer of a file may share the folder of one that is.
    if ((founder || options.swarm === null) && !resume) closing[0] = () => disk.discard()
    const events = await disk.events((error) =>
      reporter.warn(`${error.message}; events are no longer written`),
    )
    const reporter: Reporter = new Reporter(options.name, [(record) => events.write(record), watch])
    const warn = (message: string) => reporter.warn(message)
    const inbox = new Inbox(reporter)
    const kept = resume ? await loadGenesis(disk.run.genesis) : null
    const contacts = kept === null ? [] : await loadContacts(disk.paths.contacts)
    const canAsk = contacts.length > 0 || bootstrap.length > 0
    const identity = await takeIdentity(disk, kept, { resume, canAsk }, warn)
    const log = options.verbose
      ? (line: string) => void process.stderr.write(`${options.name}: ${line}\n`)
      : () => {}
    const mesh = await createMesh({
      privateKey: identity.key,
      listen: options.listen,
      announce: options.announce,
      // Who looks for its run calls them too; here they are kept in mind for as long as it goes on.
      bootstrap,
      mdns: options.mdns,
      handlers: inbox,
      links: options.swarm?.links ?? [],
      cluster: options.cluster ?? '',
      reach: reachOf(options),
      attempted: (attempt) => log(attemptLine(attempt)),
      log,
    })
    closing.push(() => mesh.close())
    if (options.run !== null) mesh.seek(options.run)
    const entered = await enterRun(options, kept, reporter, inbox, mesh, stop)
    if (!entered.founds) closing[0] = () => disk.close()
    stop.throwIfAborted()
    const known = () => node?.leader() ?? nobodyKnown
    let node: PeerNode | null = null
    introduce(mesh, inbox, reporter, entered, options, known)
    for (const { peer, addresses } of contacts) mesh.call(peer, addresses, 'memory')
    const started = await PeerNode.start({ options, disk, identity, mesh, inbox, reporter, entered }, stop)
    node = started
    closing.push(() => started.close())
    closing[0] = () => disk.close()
    return await started.run(stop)
  } catch (error) {
    if (stop.aborted && (error as Error).name === 'AbortError')
      return { kind: 'stopped' } satisfies PeerOutcome
    throw error
  } finally {
    for (const close of closing.reverse()) await close()
  }
}

const nobodyKnown: KnownLeader = { leader: null, leaderAddresses: [] }

/** What `--corpus` names is what the run trains on, or what this peer asks for: it belongs in the configuration. */
function withOwnCorpus(options: PeerOptions): PeerOptions {
  const { swarm, corpus } = options
  if (swarm === null || corpus === null) return options
  const run = { ...swarm.run, data: { ...swarm.run.data, corpus } }
  return { ...options, swarm: { ...swarm, run } }
}

function enterRun(
  options: PeerOptions,
  kept: Genesis | null,
  reporter: Reporter,
  inbox: Inbox,
  mesh: Mesh,
  stop: AbortSignal,
): Promise<Entered> {
  if (kept !== null) return goOn(options, kept)
  if (options.founder) return found(options, mesh.self)
  return join(options, reporter, inbox, mesh, stop)
}

/** From here on the peer speaks for the run, and tells those who look for it. */
function introduce(
  mesh: Mesh,
  inbox: Inbox,
  reporter: Reporter,
  { run, genesis, inForce }: Entered,
  options: PeerOptions,
  known: () => KnownLeader,
): void {
  mesh.enter(run, clusterOf(options, genesis.clusters))
  inbox.answer = (_, hello) => answerHello(genesis, inForce.run, known, hello)
  const addresses = mesh.addresses()
  reporter.report({
    type: 'listening',
    id: mesh.self,
    addresses,
    ticket: addresses.length === 0 ? null : writeTicket({ run, name: genesis.name, addresses }),
  })
}
