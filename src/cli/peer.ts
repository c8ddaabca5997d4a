// `skein peer FILE --name NAME`: one peer of a swarm file.
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { UserError } from '../core/user-error.js'
import type { PeerOptions } from '../node/options.js'
import { runPaths } from '../store/run-paths.js'
import { nearest } from '../swarmfile/nearest.js'
import type { PeerConfig, SwarmFile } from '../swarmfile/schema.js'
import { goOnCommand } from './command-line.js'
import type { CommandContext, ExitCode } from './context.js'
import { runAndShow, runForParent } from './peer-run.js'
import { readPsk } from './psk.js'
import {
  addReachOptions,
  announcedBy,
  certificateOf,
  checkTrains,
  type ReachOptions,
  type RoleOptions,
  reachArguments,
} from './reach-options.js'
import { announcedFolder } from './run-folder-note.js'
import {
  addBootstrap,
  addRunOptions,
  addStopAfter,
  addTicket,
  assignmentsOf,
  capsOf,
  checkCluster,
  deviceOf,
  type RunOptions,
  threadsFor,
} from './run-options.js'
import { readSwarmFile } from './swarm-source.js'
import { readTargets } from './targets.js'
import { ticketsOfParent } from './tickets-of-parent.js'

interface PeerCommandOptions extends RunOptions, ReachOptions, RoleOptions {
  readonly name: string
  readonly bootstrap: readonly string[]
  readonly reportToParent: boolean
  readonly onlyBootstrap: boolean
}

/** Adds the command. */
export function addPeer(program: Command, context: CommandContext, exit: (code: ExitCode) => void): void {
  const command = program
    .command('peer')
    .argument('<file>', 'swarm file, as in peers/trio.yaml')
    .summary('starts one peer of a swarm file')
    .description(
      'Starts one peer of a swarm file in this process. The first peer of the file founds the run; the others look for it by mDNS and at the bootstrap addresses. Ctrl-C stops and saves.',
    )
    .requiredOption('--name <name>', 'which peer of the file; example: --name anser')
    .action(async (file: string) =>
      exit(await peer(context, file, command.optsWithGlobals<PeerCommandOptions>())),
    )
  addReachOptions(addTicket(addBootstrap(addStopAfter(addRunOptions(command)))))
  // Set by `up` on the processes it forks: records go over their channel and nothing is shown.
  command.addOption(command.createOption('--report-to-parent').default(false).hideHelp())
  // Set by `up` where faults are made: peers reach each other by the given addresses and by no others.
  command.addOption(command.createOption('--only-bootstrap').default(false).hideHelp())
  command.addHelpText(
    'after',
    `
Examples:
  skein peer peers/trio.yaml --name anser --set 'peers.0.listen=[/ip4/0.0.0.0/tcp/4001]'
  skein peer peers/trio.yaml --name cygnus --ticket skein1...`,
  )
}

async function peer(context: CommandContext, file: string, options: PeerCommandOptions): Promise<ExitCode> {
  const swarm = readSwarmFile(file, assignmentsOf(options))
  checkCluster(options.cluster, swarm)
  checkTrains(options)
  const device = deviceOf(options)
  const own = ownEntry(swarm, options.name, file)
  const founder = own === swarm.peers[0]
  const folder = folderFor(context, options, swarm.name, founder)
  const tickets = [
    ...(options.ticket === undefined ? [] : [options.ticket]),
    ...ticketsOfParent(context.io.env),
  ]
  const targets = readTargets([...swarm.bootstrap, ...options.bootstrap, ...tickets])
  // Where faults are made, the proxies alone are called; the ticket still says which run is meant and lets the peer in.
  const called = options.onlyBootstrap ? readTargets(options.bootstrap) : targets
  const peerOptions: PeerOptions = {
    swarm,
    name: own.name,
    cluster: options.cluster ?? null,
    founder,
    bootstrap: called.addresses,
    run: targets.run,
    invitation: targets.invitation,
    psk: readPsk(options.psk),
    listen: own.listen,
    announce: options.onlyBootstrap ? [] : announcedBy(options),
    slowdown: own.slowdown,
    microBatch: options.microBatch ?? own.microBatch ?? null,
    corpus: options.corpus ?? null,
    folder,
    resume: options.resume,
    engine: options.engine,
    device,
    threads: threadsFor(options.threads, swarm.peers.filter(({ local }) => local).length),
    stopAfter: options.stopAfter ?? null,
    ...capsOf(options),
    mdns: !options.onlyBootstrap,
    relays: [...swarm.relays, ...options.relay],
    upnp: options.upnp,
    certificate: certificateOf(options),
    role: options.role,
    verbose: options.verbose,
  }
  if (options.reportToParent) return runForParent(context, peerOptions)
  const bootstrap = options.bootstrap.flatMap((address) => ['--bootstrap', address])
  const ticket = options.ticket === undefined ? [] : ['--ticket', options.ticket]
  const reach = reachArguments(options, options)
  const command = ['peer', file, '--name', own.name, ...bootstrap, ...ticket, ...reach]
  const { genesis, root } = runPaths(folder)
  const goOn = () => goOnCommand(command, options, folder, existsSync(founder ? genesis : root))
  return runAndShow(context, { peer: peerOptions, json: options.json, goOn })
}

/** The local peers of a run share its folder: only the founder of a new run must find `--out` empty. */
function folderFor(
  { io }: CommandContext,
  { out, resume, reportToParent }: PeerCommandOptions,
  name: string,
  founder: boolean,
): string {
  if (out !== undefined && (reportToParent || !founder)) return out
  return announcedFolder(io, { name, out: out ?? null, resume })
}

function ownEntry(swarm: SwarmFile, name: string, file: string): PeerConfig {
  const own = swarm.peers.find((peer) => peer.name === name)
  if (own !== undefined) return own
  const names = swarm.peers.map((peer) => peer.name)
  const near = nearest(name, names)
  throw new UserError(
    'usage',
    `${file} lists no peer ${name}`,
    near === null ? `choose one of ${names.join(', ')}` : `did you mean ${near}?`,
  )
}
