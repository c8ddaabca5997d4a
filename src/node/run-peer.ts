// One peer from start to end: its folder, its network, its run, its engine, and the core that decides.
import type { PeerId } from '../core/ids.js'
import { UserError } from '../core/user-error.js'
import { keyPairOfIdentity } from '../network/door/signatures.js'
import { createMesh } from '../network/mesh.js'
import { ticketAddresses } from '../network/reach/ticket-addresses.js'
import { sha256 } from '../platform/sha256.js'
import type { Mesh } from '../ports/mesh.js'
import { type Genesis, runIdOf } from '../swarmfile/genesis.js'
import type { Chain } from '../wire/certificates.js'
import { writeTicket } from '../wire/ticket.js'
import { CallReports } from './call-reports.js'
import { loadContacts } from './contacts.js'
import { answerHello, checkHoldsRun, type KnownLeader, loadGenesis } from './founding.js'
import { Inbox } from './inbox.js'
import { chainFromFolder, keepChain, loadChain } from './kept-membership.js'
import { lastCluster } from './last-cluster.js'
import { Membership } from './membership.js'
import type { PeerOptions, PeerOutcome, RunPeer } from './options.js'
import { takeIdentity } from './own-identity.js'
import { PeerDisk } from './peer-disk.js'
import { PeerNode } from './peer-node.js'
import { attemptLine, reachOf } from './reach.js'
import { Reporter } from './reporter.js'
import { type Entered, type Entering, found, goOn, join } from './run-entry.js'

/** How long the ticket is good that a peer prints when it starts. */
const TICKET_MS = 7 * 24 * 3_600_000

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
    const reporter: Reporter = new Reporter(options.name, [
      // A ticket lets its bearer in: it is shown, and kept in no log.
      (record) => events.write(record.type === 'listening' ? { ...record, ticket: null } : record),
      watch,
    ])
    const warn = (message: string) => reporter.warn(message)
    const calls = new CallReports(reporter.report, () => performance.now())
    const inbox = new Inbox(reporter)
    const kept = resume ? await loadGenesis(disk.run.genesis) : null
    const contacts = kept === null ? [] : await loadContacts(disk.paths.contacts)
    const canAsk = contacts.length > 0 || bootstrap.length > 0
    const identity = await takeIdentity(disk, kept, { resume, canAsk, hasMet: contacts.length > 0 }, warn)
    const membership = await membershipOf(options, kept, identity.key, disk.paths.membership)
    if (membership !== null) inbox.passageOf = (peer) => membership.passageOf(peer)
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
      door: membership,
      psk: options.psk,
      links: options.swarm?.links ?? [],
      cluster: options.cluster ?? '',
      caps: { uploadBytesPerSecond: options.maxUpload, downloadBytesPerSecond: options.maxDownload },
      partial: disk.paths.partial,
      reach: reachOf(options),
      attempted: (attempt) => {
        log(attemptLine(attempt))
        calls.heard(attempt)
      },
      log,
    })
    closing.push(() => mesh.close())
    if (options.run !== null) mesh.seek(options.run)
    const before = kept === null ? null : lastCluster(disk, identity)
    const entered = await enterRun(options, kept, inbox, { mesh, membership, reporter, before, stop })
    if (!entered.founds) closing[0] = () => disk.close()
    stop.throwIfAborted()
    const place = entered.genesis.run.hierarchy === undefined ? {} : { cluster: entered.cluster }
    const known = () => ({ ...(node?.leader() ?? nobodyKnown), ...place })
    let node: PeerNode | null = null
    await introduce(mesh, membership, inbox, reporter, entered, known)
    for (const { peer, addresses } of contacts) mesh.call(peer, addresses, 'memory')
    const started = await PeerNode.start(
      { options, disk, identity, mesh, inbox, reporter, entered, membership },
      stop,
    )
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

/**
 * Null where whoever reaches this peer is let in.
 *
 * @throws UserError for a peer that nobody could let in
 */
async function membershipOf(
  { founder, swarm, folder, run, invitation }: PeerOptions,
  kept: Genesis | null,
  key: Uint8Array,
  path: string,
): Promise<Membership | null> {
  const decided = (kept ?? swarm)?.run.membership ?? (invitation === null ? 'open' : 'ticket')
  if (decided === 'open') return null
  const self = keyPairOfIdentity(key)
  const chain = kept === null || kept.founder === self.id ? null : await chainOf(self.id, kept, folder, path)
  const begins = founder && kept === null
  if (!begins && kept?.founder !== self.id && invitation === null && chain === null) throw noTicket()
  return Membership.of({
    self,
    run: kept === null ? run : runIdOf(kept, sha256),
    invitation,
    chain,
    keep: (chain) => void keepChain(path, chain).catch(() => {}),
    now: Date.now,
  })
}

/** Certificates of another key are those of a peer that this one is no more. */
async function chainOf(self: PeerId, kept: Genesis, folder: string, path: string): Promise<Chain | null> {
  const own = await loadChain(path)
  return own?.at(-1)?.holder === self ? own : chainFromFolder(folder, kept, self)
}

const noTicket = (): UserError =>
  new UserError(
    'usage',
    'this run lets in only peers that have a ticket (run.membership), and this peer has none',
    'give the ticket that a peer of the run prints when it starts, or that `skein ticket RUN-FOLDER` prints there, with --ticket',
  )

/** Null where nobody could use it. Who is called at addresses of its own still needs to be let in. */
async function ticketFor(
  genesis: Genesis,
  addresses: readonly string[],
  membership: Membership | null,
): Promise<string | null> {
  if (addresses.length === 0 && membership === null) return null
  const run = runIdOf(genesis, sha256)
  const invitation = (await membership?.invite(Date.now() + TICKET_MS)) ?? null
  if (membership !== null && invitation === null) return null
  return writeTicket({ run, name: genesis.name, addresses: ticketAddresses(addresses), invitation })
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
  inbox: Inbox,
  entering: Entering,
): Promise<Entered> {
  if (kept !== null) return goOn(options, kept, entering)
  if (options.founder) return found(options, entering)
  return join(options, inbox, entering)
}

/** From here on the peer speaks for the run, and tells those who look for it. */
async function introduce(
  mesh: Mesh,
  membership: Membership | null,
  inbox: Inbox,
  reporter: Reporter,
  { run, genesis, inForce, cluster }: Entered,
  known: () => KnownLeader,
): Promise<void> {
  membership?.enter(genesis, known)
  mesh.enter(run, cluster)
  inbox.answer = (_, hello) => answerHello(genesis, inForce.run, known, hello)
  const addresses = mesh.addresses()
  const ticket = await ticketFor(genesis, addresses, membership)
  reporter.report({ type: 'listening', id: mesh.self, addresses, ticket })
}
