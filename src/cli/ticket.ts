// `skein ticket RUN-FOLDER`: a fresh ticket for a run, signed by a member of it on this machine.
import { type Command, Option } from 'commander'
import { UserError } from '../core/user-error.js'
import { peerPaths } from '../store/run-paths.js'
import { commandLine } from './command-line.js'
import type { CommandContext, ExitCode } from './context.js'
import { parseLifetime } from './lifetime.js'
import { type FolderPeer, peersOfFolder } from './run-peers.js'

interface TicketOptions {
  /** ms from now on; may be infinite. */
  readonly expires: number
  readonly name?: string
  readonly json: boolean
}

/** Adds the command. */
export function addTicket(program: Command, { io }: CommandContext, exit: (code: ExitCode) => void): void {
  program
    .command('ticket')
    .argument('<run-folder>', 'folder of a run that a peer of this machine is in, as in runs/trio')
    .summary('prints a fresh ticket, by which another machine joins a run')
    .description(
      'Prints a fresh ticket: one line of text by which another machine joins the run. It is signed by a member of the run on this machine, whoever founded it. On stdout stands the ticket alone.',
    )
    .addOption(
      new Option(
        '--expires <time>',
        'how long it lets others in: minutes, hours, days, or never; who is in stays in; example: --expires 12h',
      )
        .argParser(parseLifetime)
        .default(parseLifetime('7d'), '7d'),
    )
    .option(
      '--name <name>',
      'which peer of the folder signs it; example: --name anser (default: one that runs)',
    )
    .option(
      '--json',
      'prints one JSON object with the ticket and the id to revoke it by; example: --json',
      false,
    )
    .addHelpText(
      'after',
      '\nExamples:\n  skein ticket runs/trio\n  skein ticket runs/trio --expires 30m --json',
    )
    .action(async (folder: string, { expires, name, json }: TicketOptions) => {
      const peer = signer(await peersOfFolder(folder), folder, name)
      const addresses = peer.status?.addresses ?? []
      if (addresses.length === 0) throw unreachable(peer.name, folder)
      const { issueTicket } = await import('../node/issue-ticket.js')
      const until = Number.isFinite(expires) ? Date.now() + expires : null
      const issued = await issueTicket(folder, peerPaths(folder, peer.name), addresses, until)
      const { ticket, invitation } = issued
      if (json) io.stdout.write(`${JSON.stringify({ ...issued, addresses, signedBy: peer.name })}\n`)
      else io.stdout.write(`${ticket}\n`)
      if (!peer.running)
        io.stderr.write(`${peer.name} does not run: the ticket leads to where it was reached last\n`)
      const end = issued.expires === null ? 'for ever' : `until ${new Date(issued.expires).toISOString()}`
      if (invitation !== null && !json)
        io.stderr.write(`good ${end}; to revoke it: ${commandLine(['revoke', folder, invitation])}\n`)
      exit(0)
    })
}

/** A peer that runs can be reached; of those, one that was never let in can sign nothing. */
function signer(peers: readonly FolderPeer[], folder: string, name: string | undefined): FolderPeer {
  if (name === undefined) return peers.find(({ running, status }) => running && status !== null) ?? peers[0]
  const named = peers.find((peer) => peer.name === name)
  if (named !== undefined) return named
  throw new UserError(
    'usage',
    `${folder} holds no peer ${name}`,
    `choose one of ${peers.map((peer) => peer.name).join(', ')}`,
  )
}

const unreachable = (name: string, folder: string): UserError =>
  new UserError(
    'network',
    `${name} of ${folder} has told no address at which it can be reached`,
    'start it, or choose another peer of the folder with --name; a peer tells its addresses once it is in its run',
  )
