// `skein relay`: lets peers reach each other that no caller reaches directly.
import type { Command } from 'commander'
import type { CommandContext, ExitCode } from './context.js'
import { onInterrupt } from './interrupts.js'
import { readPsk } from './psk.js'
import {
  addMaxRelay,
  addReachable,
  announcedBy,
  certificateOf,
  type ReachableOptions,
} from './reach-options.js'

interface RelayCommandOptions extends ReachableOptions {
  readonly listen: readonly string[]
  readonly psk?: string
  readonly maxRelay: number
  readonly out: string
  readonly verbose: boolean
}

/** Where a relay listens unless told: the port is fixed, since it is given out. */
export const RELAY_LISTENS: readonly string[] = ['/ip4/0.0.0.0/tcp/4001', '/ip4/0.0.0.0/tcp/4002/ws']

/** Adds the command. */
export function addRelay(program: Command, context: CommandContext, exit: (code: ExitCode) => void): void {
  const command = program
    .command('relay')
    .summary('lets peers behind routers reach each other')
    .description(
      'Relays between peers that cannot call each other, and helps them to connect directly where their routers allow it. It has no part in any run, and serves every peer that knows its address, up to the limits that it prints. Ctrl-C stops it; its address stays the same.',
    )
    .option(
      '--listen <address>',
      `multiaddr to listen on, may be repeated; example: --listen /ip4/0.0.0.0/tcp/443/ws (default: ${RELAY_LISTENS.join(' and ')})`,
      (text: string, before: readonly string[]) => [...before, text],
      [],
    )
    .option(
      '--psk <file>',
      'key of a private network (a swarm.key file), whose peers alone are then served; example: --psk swarm.key',
    )
    .option('--out <dir>', 'folder of its key; example: --out /var/lib/skein', 'runs/relay')
    .action(async () => exit(await relay(context, command.optsWithGlobals<RelayCommandOptions>())))
  addMaxRelay(addReachable(command)).addHelpText(
    'after',
    `
Peers are told of it with --relay, or by \`relays\` in their swarm file. To let them connect directly it also answers on
the UDP port of the same number as its first TCP port. For networks that let nothing out but calls of web pages, let it
listen on /ip4/0.0.0.0/tcp/443/tls/ws too.

Example:
  skein relay --announce /dns4/relay.example.org/tcp/4001`,
  )
}

/** Relays until it is interrupted. */
export async function relay({ io }: CommandContext, options: RelayCommandOptions): Promise<ExitCode> {
  const { listen, out, maxRelay, verbose } = options
  const stop = new AbortController()
  const done = onInterrupt(() => stop.abort())
  io.whenClosed(() => stop.abort())
  const { runRelay, MAX_RESERVATIONS } = await import('../node/run-relay.js')
  const say = (line: string) => void io.stdout.write(`${line}\n`)
  try {
    await runRelay(
      {
        folder: out,
        listen: listen.length === 0 ? RELAY_LISTENS : listen,
        announce: announcedBy(options),
        bytesPerSecond: maxRelay * 1e6,
        upnp: options.upnp,
        psk: readPsk(options.psk),
        certificate: certificateOf(options),
        log: (message) => {
          if (verbose) io.stderr.write(`relay: ${message}\n`)
        },
      },
      {
        started: (addresses) => {
          say('relaying; peers are given one of these with --relay:')
          for (const address of addresses) say(`  ${address}`)
          say(`at most ${MAX_RESERVATIONS} peers and ${maxRelay} MB/s, all together`)
        },
        counted: ({ peers, places }) => say(`connected: ${peers}; reached through this relay: ${places}`),
      },
      stop.signal,
    )
    return 0
  } finally {
    done()
  }
}
