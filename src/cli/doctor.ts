// `skein doctor`: whether this machine could train, and join a run, and what to do where it could not.
import type { Command } from 'commander'
import { UserError } from '../core/user-error.js'
import type { DoctorRequest } from '../node/doctor/doctor.js'
import type { Fact } from '../node/doctor/facts.js'
import { cleanLines } from '../observe/format.js'
import { isTicket } from '../wire/ticket.js'
import type { CommandContext, ExitCode } from './context.js'
import { type Check, checksOf, firstReason, wouldWork } from './doctor-verdicts.js'
import type { Io } from './io.js'
import { withProgress } from './progress.js'
import { readPsk } from './psk.js'
import { addEngineOptions, deviceOf, type EngineOptions, threadsFor, wholeNumber } from './run-options.js'
import { looksLikeAddress } from './status.js'
import { readSwarmFile } from './swarm-source.js'
import { readTarget, type Target } from './targets.js'

interface DoctorOptions extends EngineOptions {
  readonly corpus?: string
  readonly out: string
  readonly relay: readonly string[]
  readonly listen: readonly string[]
  readonly upnp: boolean
  readonly psk?: string
  readonly microBatch?: number
  readonly json: boolean
  readonly verbose: boolean
}

/** Where peers listen that no file tells otherwise. */
const LISTENS: readonly string[] = ['/ip4/0.0.0.0/tcp/0', '/ip4/0.0.0.0/tcp/0/ws']

const collect = (text: string, before: readonly string[]): string[] => [...before, text]

/** Adds the command. */
export function addDoctor(program: Command, context: CommandContext, exit: (code: ExitCode) => void): void {
  const command = program
    .command('doctor')
    .argument('[file-ticket-or-address]', 'swarm file, ticket, or multiaddr of a peer')
    .summary('says whether this machine could train or join, and what to do where it could not')
    .description(
      'Examines this machine: Node, network, engine, memory and disk. With a swarm file also its model and text; with a ticket or an address also whether the run is reached, by which way and how fast, and lets this peer in, without joining it. The exit code is 0 if training here, or a join, would work, else 1.',
    )
    .option('--corpus <path>', 'text to train on, read as a peer would; example: --corpus ~/books')
    .option('--out <dir>', 'folder that would be written to; example: --out /data/runs', 'runs')
    .option(
      '--relay <address>',
      'multiaddr of a relay to look at, may be repeated; example: --relay /ip4/203.0.113.5/tcp/4001/p2p/12D3Koo...',
      collect,
      [],
    )
    .option(
      '--listen <address>',
      `multiaddr to listen on, may be repeated; example: --listen /ip4/0.0.0.0/tcp/4001 (default: ${LISTENS.join(' and ')})`,
      collect,
      [],
    )
    .option('--upnp', 'asks the router whether it forwards ports by UPnP; example: --upnp', false)
    .option('--psk <file>', 'key of a private network (a swarm.key file); example: --psk swarm.key')
    .option(
      '--micro-batch <n>',
      'sequences of a batch taken at once; example: --micro-batch 2 (default: the whole batch)',
      wholeNumber(1),
    )
    .option('--json', 'prints one JSON document and nothing else; example: --json > doctor.json', false)
    .action(async (given: string | undefined) =>
      exit(await doctor(context, given ?? null, command.optsWithGlobals<DoctorOptions>())),
    )
  addEngineOptions(command).addHelpText(
    'after',
    '\nExamples:\n  skein doctor\n  skein doctor peers/trio.yaml --corpus ~/books\n  skein doctor skein1...',
  )
}

async function doctor(
  { io }: CommandContext,
  given: string | null,
  options: DoctorOptions,
): Promise<ExitCode> {
  const { json } = options
  const checks: Check[] = []
  const tell = (fact: Fact) => {
    const told = checksOf(fact)
    checks.push(...told)
    if (!json) io.stdout.write(`${linesOf(told).join('\n')}\n`)
  }
  const request = requestOf(options, readGiven(given, tell))
  const { examine } = await import('../node/doctor/doctor.js')
  await examine(request, tell, (doing, task) => (json ? task() : withProgress(io, doing, task)))
  const works = wouldWork(checks)
  if (json) io.stdout.write(`${JSON.stringify({ checks, wouldWork: works }, null, 2)}\n`)
  else say(io, given, checks)
  return works ? 0 : 1
}

type Given = Pick<DoctorRequest, 'swarm' | 'addresses' | 'run' | 'invitation'>

const nothingGiven: Given = { swarm: null, addresses: [], run: null, invitation: null }

/** What cannot be read is a check that failed, and the machine is examined all the same. */
function readGiven(given: string | null, tell: (fact: Fact) => void): Given {
  if (given === null) return nothingGiven
  const name = isTicket(given) ? 'ticket' : looksLikeAddress(given) ? 'address' : 'file'
  try {
    if (name === 'file') {
      const swarm = readSwarmFile(given, [])
      const { peers, clusters } = swarm
      tell({
        about: 'file',
        path: given,
        run: swarm.name,
        peers: peers.length,
        clusters: clusters.length,
      })
      return { ...nothingGiven, swarm }
    }
    const target = readTarget(given)
    if (name === 'ticket') tell(ticketFact(target))
    return { ...nothingGiven, ...target }
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    tell({ about: 'unreadable', name, problem: { what: error.message, remedy: error.remedy } })
    return nothingGiven
  }
}

function ticketFact({ run, addresses, invitation }: Target): Fact {
  const expires =
    invitation?.chain.map((certificate) => certificate.expires).filter((at) => at !== null) ?? []
  return {
    about: 'ticket',
    run,
    addresses: addresses.length,
    expires: expires.length === 0 ? null : Math.min(...expires),
    nowMs: Date.now(),
  }
}

function requestOf(options: DoctorOptions, given: Given): DoctorRequest {
  const { corpus, out, relay, listen, upnp, psk, engine, microBatch, verbose } = options
  const { swarm } = given
  const local = swarm?.peers.filter((peer) => peer.local) ?? []
  const listens = local.length === 0 ? LISTENS : [...new Set(local.flatMap((peer) => peer.listen))]
  return {
    ...given,
    relays: [...(swarm?.relays ?? []), ...relay],
    listen: listen.length === 0 ? listens : listen,
    upnp,
    psk: readPsk(psk),
    corpus: corpus ?? null,
    folder: out,
    engine,
    device: deviceOf(options),
    threads: threadsFor(undefined, Math.max(1, local.length)),
    microBatch: microBatch ?? null,
    log: (line) => {
      if (verbose) process.stderr.write(`doctor: ${line}\n`)
    },
  }
}

const NAME_COLUMNS = 11

/** Checks that were skipped for one reason share a line. */
function linesOf(checks: readonly Check[]): string[] {
  const skipped = checks.filter(({ ok }) => ok === 'skip')
  const shared = skipped.length > 1 && skipped.length === checks.length
  if (shared) return [`skip  ${checks.map(({ name }) => name).join(', ')}: ${cleanLines(checks[0].what)}`]
  return checks.flatMap(({ name, ok, what, remedy }) => [
    `${ok}  ${name.padEnd(NAME_COLUMNS)}${cleanLines(what)}`,
    ...(remedy === null ? [] : [`${' '.repeat(6 + NAME_COLUMNS)}what to do: ${cleanLines(remedy)}`]),
  ])
}

function say({ stdout }: Io, given: string | null, checks: readonly Check[]): void {
  const subject = given === null || !(isTicket(given) || looksLikeAddress(given)) ? 'training here' : 'a join'
  const reason = firstReason(checks)
  stdout.write(
    `\n${reason === null ? `${subject} would work` : `${subject} would not work: ${cleanLines(reason)}`}\n`,
  )
}
