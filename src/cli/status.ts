// `skein status RUN-FOLDER-OR-ADDRESS`: who leads, who votes, and what the loss of each voter would mean.
import type { Command } from 'commander'
import { UserError } from '../core/user-error.js'
import { isTicket } from '../wire/ticket.js'
import type { CommandContext, ExitCode } from './context.js'
import { withProgress } from './progress.js'
import { readPsk } from './psk.js'
import { peersOfFolder } from './run-peers.js'
import { statusLines } from './status-lines.js'
import { type StatusReport, statusReport, type Told } from './status-report.js'
import { readTarget } from './targets.js'

interface StatusOptions {
  readonly json: boolean
  readonly psk?: string
}

/** Adds the command. */
export function addStatus(program: Command, context: CommandContext, exit: (code: ExitCode) => void): void {
  program
    .command('status')
    .argument('<run-folder-or-address>', 'folder of a run, multiaddr of one of its peers, or a ticket')
    .summary('says who leads a run, who votes, and what the loss of a voter would mean')
    .description(
      'Says who leads a run and why, who votes, what the loss of each voter would mean, and what its peers do. From a run folder it tells of the local peers, from an address or ticket what that peer knows.',
    )
    .option('--psk <file>', 'key of a private network (a swarm.key file); example: --psk swarm.key')
    .option('--json', 'prints one JSON document and nothing else; example: --json > status.json', false)
    .addHelpText(
      'after',
      '\nExamples:\n  skein status runs/trio\n  skein status skein1...\n  skein status /ip4/192.168.0.7/tcp/4001 --json',
    )
    .action(async (place: string, { json, psk }: StatusOptions) => {
      const { io } = context
      const report = await reportOf(context, place, psk)
      const text = () => statusLines(report, io.stdout.columns ?? 100).join('\n')
      io.stdout.write(`${json ? JSON.stringify(report, null, 2) : text()}\n`)
      exit(0)
    })
}

async function reportOf(
  { io }: CommandContext,
  place: string,
  key: string | undefined,
): Promise<StatusReport> {
  const now = () => new Date()
  if (!isTicket(place) && !looksLikeAddress(place)) {
    const told = await toldByFolder(place)
    return statusReport(place, told, now())
  }
  const target = readTarget(place)
  const psk = readPsk(key)
  const { askStatus } = await import('../node/ask-status.js')
  const status = await withProgress(io, 'asking', () => askStatus({ ...target, psk }))
  return statusReport(status.name, [{ status, running: true }], now())
}

/** An absolute path begins with a slash too; a multiaddr names its protocol first. */
export const looksLikeAddress = (place: string): boolean => /^\/(ip4|ip6|dns|dns4|dns6|dnsaddr)\//.test(place)

async function toldByFolder(folder: string): Promise<readonly Told[]> {
  const peers = await peersOfFolder(folder)
  const told = peers.flatMap(({ running, status }) => (status === null ? [] : [{ running, status }]))
  if (told.length > 0) return told
  throw new UserError(
    'storage',
    `no peer in ${folder} has written its status yet`,
    'wait until a peer has entered the run, which takes seconds; a peer that runs writes its status once a second',
  )
}
