// The options that `up`, `peer` and `join` share, each with an example.
import { availableParallelism } from 'node:os'
import { type Command, InvalidArgumentError } from 'commander'
import { UserError } from '../core/user-error.js'
import { checkDevice, engineNames, parseEngineName } from '../engine/names.js'
import type { SwarmFile } from '../swarmfile/schema.js'

export interface EngineOptions {
  readonly engine: string
  readonly device?: number
}

export interface RunOptions extends EngineOptions {
  readonly corpus?: string
  readonly out?: string
  readonly threads?: number
  readonly microBatch?: number
  readonly cluster?: string
  readonly maxUpload?: number
  readonly maxDownload?: number
  readonly seed?: number
  readonly set: readonly string[]
  readonly resume: boolean
  readonly json: boolean
  readonly verbose: boolean
  readonly stopAfter?: number
  readonly ticket?: string
  readonly psk?: string
}

/** Adds the options of a command that runs peers. */
export function addRunOptions(command: Command): Command {
  return addEngineOptions(command)
    .option(
      '--corpus <path>',
      'text to train on instead of the one the file names: a text file, a folder, JSON Lines, gzipped JSON Lines; example: --corpus ~/books',
    )
    .option(
      '--out <dir>',
      'run folder for checkpoints and events.jsonl; example: --out runs/first (default: runs/NAME, then runs/NAME-2, ...)',
    )
    .option(
      '--threads <n>',
      'compute threads of each peer; example: --threads 2 (default: cores shared among the local peers)',
      wholeNumber(1),
    )
    .option(
      '--micro-batch <n>',
      'sequences of a batch taken at once where all do not fit the memory: gradients add up to the same; example: --micro-batch 2 (default: the whole batch)',
      wholeNumber(1),
    )
    .option('--cluster <name>', 'cluster to be in, of those the run knows; example: --cluster south')
    .option(
      '--max-upload <rate>',
      'most that each peer sends, in all, in Mbit/s; example: --max-upload 20 (default: no limit)',
      megabits,
    )
    .option(
      '--max-download <rate>',
      'most that each peer fetches, in Mbit/s; example: --max-download 50 (default: no limit)',
      megabits,
    )
    .option(
      '--seed <n>',
      'seed of initial parameters, data order and draws: --set run.seed=N; example: --seed 7',
      wholeNumber(0),
    )
    .option(
      '--set <key=value>',
      'sets any key of the swarm file, lists by number from 0, may be repeated; example: --set run.localSteps=50 --set peers.1.slowdown=2',
      collect,
      [],
    )
    .option(
      '--psk <file>',
      'key of a private network (a swarm.key file), the same for every peer: others get no word through; it costs speed; example: --psk swarm.key',
    )
    .option(
      '--resume',
      'goes on with a run where it stopped: of --out, or the newest of that name; example: --out runs/trio --resume',
      false,
    )
    .option(
      '--json',
      'prints the events and nothing else, one JSON object to a line; example: --json > events.jsonl',
      false,
    )
}

/** The caps of a peer, in bytes per second. */
export function capsOf({ maxUpload, maxDownload }: Pick<RunOptions, 'maxUpload' | 'maxDownload'>) {
  const bytes = (rate: number | undefined) => (rate === undefined ? null : (rate * 1e6) / 8)
  return { maxUpload: bytes(maxUpload), maxDownload: bytes(maxDownload) }
}

/** Below it heartbeats alone would be in each other's way. */
const LEAST_MEGABITS = 0.5

function megabits(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < LEAST_MEGABITS)
    throw new InvalidArgumentError(`Expected Mbit/s, ${LEAST_MEGABITS} at least.`)
  return value
}

/** Adds `--engine` and `--device`. */
export function addEngineOptions(command: Command): Command {
  return command
    .option(
      '--engine <name>',
      `what executes the model, one of ${engineNames.join(', ')}; auto takes the fastest that works here; example: --engine onnx-cpu`,
      parseEngineName,
      'auto',
    )
    .option(
      '--device <n>',
      'which of several GPUs, numbered from 0, for the engines onnx-cuda and tensorflow; example: --device 1 (default: the first)',
      wholeNumber(0),
    )
}

/** The GPU that was asked for. @throws UserError where the engine cannot choose one */
export function deviceOf({ engine, device }: EngineOptions): number | null {
  const asked = device ?? null
  checkDevice(engine, asked)
  return asked
}

/** Adds `--stop-after`. */
export function addStopAfter(command: Command): Command {
  return command.option(
    '--stop-after <versions>',
    'ends the run after so many versions, where the file does not end it earlier; example: --stop-after 12',
    wholeNumber(1),
  )
}

/** Adds `--bootstrap`. */
export function addBootstrap(command: Command): Command {
  return command.option(
    '--bootstrap <address>',
    'multiaddr of a peer to call on, or a ticket, may be repeated; example: --bootstrap /ip4/192.168.0.7/tcp/4001',
    collect,
    [],
  )
}

/** Adds `--ticket`. */
export function addTicket(command: Command): Command {
  return command.option(
    '--ticket <ticket>',
    'ticket of the run to join, as a peer of it or `skein ticket` prints it; example: --ticket skein1...',
  )
}

/** Collects a repeatable option. */
const collect = (text: string, before: readonly string[]): string[] => [...before, text]

/** Reads a whole number of at least `least`. */
export const wholeNumber = (least: number) => (text: string) => {
  const value = Number(text)
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < least)
    throw new InvalidArgumentError(`Expected a whole number of at least ${least}.`)
  return value
}

/** `--seed` as what it is short for; explicit `--set` comes later and wins. */
export function assignmentsOf({ seed, set }: Pick<RunOptions, 'seed' | 'set'>): readonly string[] {
  return [...(seed === undefined ? [] : [`run.seed=${seed}`]), ...set]
}

/** Compute threads of one peer where several share this machine. */
export function threadsFor(asked: number | undefined, localPeers: number): number {
  return asked ?? Math.max(1, Math.floor(availableParallelism() / Math.max(1, localPeers)))
}

/** Refuses a cluster that the file does not have. */
export function checkCluster(cluster: string | undefined, swarm: SwarmFile): void {
  const known = swarm.clusters.map(({ name }) => name)
  if (cluster === undefined || known.includes(cluster)) return
  throw new UserError(
    'usage',
    `--cluster ${cluster}: the file knows no such cluster`,
    `choose one of ${known.join(', ')}, or add it to the clusters of the file`,
  )
}
