// `skein join ADDRESS-OR-TICKET`: a peer that joins a run from elsewhere, with no file.
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Command } from 'commander'
import { UserError } from '../core/user-error.js'
import type { PeerOptions } from '../node/options.js'
import { parseOwnSettings } from '../swarmfile/own-settings.js'
import { goOnCommand } from './command-line.js'
import type { CommandContext, ExitCode } from './context.js'
import { runAndShow } from './peer-run.js'
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
import { addBootstrap, addRunOptions, capsOf, deviceOf, type RunOptions, threadsFor } from './run-options.js'
import { readTarget, readTargets } from './targets.js'

interface JoinOptions extends RunOptions, ReachOptions, RoleOptions {
  readonly name?: string
  readonly bootstrap: readonly string[]
}

/** Adds the command. */
export function addJoin(program: Command, context: CommandContext, exit: (code: ExitCode) => void): void {
  const command = program
    .command('join')
    .argument('<address-or-ticket>', 'multiaddr of any peer of the run, or the ticket that it printed')
    .summary('joins a run from elsewhere, with no file')
    .description(
      'Joins a running training from another machine, on this network or far away: the run tells model, data and optimizer. Ctrl-C stops and saves.',
    )
    .option(
      '--name <name>',
      'name of this peer, unique in the run; example: --name attic (default: made from the name of this machine)',
    )
    .action(async (target: string) =>
      exit(await join(context, target, command.optsWithGlobals<JoinOptions>())),
    )
  addReachOptions(addBootstrap(addRunOptions(command))).addHelpText(
    'after',
    `
Here --set takes the peer's own keys only, slowdown, microBatch and listen; --seed is the run's and is refused.

Examples:
  skein join /ip4/192.168.0.7/tcp/4001 --name attic
  skein join skein1... --cluster south --set slowdown=2`,
  )
}

async function join(context: CommandContext, target: string, options: JoinOptions): Promise<ExitCode> {
  if (options.seed !== undefined)
    throw new UserError(
      'usage',
      '--seed: the seed belongs to the run and was fixed when it was founded',
      'leave it out; the run tells it to every peer that joins',
    )
  if (options.resume && options.name === undefined)
    throw new UserError(
      'usage',
      '--resume needs --name: a peer resumes under the name it had in the run',
      'give --name as the command line printed on stopping does',
    )
  checkTrains(options)
  const own = parseOwnSettings(options.set)
  const device = deviceOf(options)
  const place = readTargets([target, ...options.bootstrap])
  const request = {
    name: readTarget(target).name ?? 'joined',
    out: options.out ?? null,
    resume: options.resume,
  }
  const name = peerName(options.name)
  const folder = announcedFolder(context.io, request)
  const peer: PeerOptions = {
    swarm: null,
    name,
    cluster: options.cluster ?? null,
    founder: false,
    bootstrap: place.addresses,
    run: place.run,
    invitation: place.invitation,
    psk: readPsk(options.psk),
    listen: own.listen,
    announce: announcedBy(options),
    slowdown: own.slowdown,
    microBatch: options.microBatch ?? own.microBatch ?? null,
    corpus: options.corpus ?? null,
    folder,
    resume: options.resume,
    engine: options.engine,
    device,
    threads: threadsFor(options.threads, 1),
    stopAfter: null,
    ...capsOf(options),
    mdns: true,
    relays: options.relay,
    upnp: options.upnp,
    certificate: certificateOf(options),
    role: options.role,
    verbose: options.verbose,
  }
  const command = ['join', target, '--name', name, ...reachArguments(options, options)]
  const goOn = () => goOnCommand(command, options, folder, existsSync(folder))
  return runAndShow(context, { peer, json: options.json, goOn })
}

/** The name given, or one of this machine that another peer on it will not have too. */
function peerName(given: string | undefined): string {
  if (given === undefined) {
    const machine = hostname()
      .toLowerCase()
      .replace(/[^a-z0-9-]+/g, '-')
      .replace(/^-+/, '')
      .slice(0, 24)
    return `${machine || 'peer'}-${randomBytes(2).toString('hex')}`
  }
  if (/^[a-z0-9][a-z0-9-]{0,31}$/i.test(given)) return given
  throw new UserError('usage', `--name ${given} is not a name`, 'use letters, digits and hyphens, 32 at most')
}
