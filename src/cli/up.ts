// `skein up FILE`: every peer of a swarm file that belongs on this machine, one process each.
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { UserError } from '../core/user-error.js'
import { checkDevice } from '../engine/names.js'
import { scheduleFaults } from '../faults/schedule.js'
import { unseenSwarm } from '../observe/swarm-view.js'
import { runPaths } from '../store/run-paths.js'
import type { SwarmFile } from '../swarmfile/schema.js'
import { startChild } from './child-process.js'
import { goOnCommand } from './command-line.js'
import type { CommandContext, ExitCode } from './context.js'
import { Display } from './display.js'
import { withEarlierEvents } from './earlier-events.js'
import { FaultyRun } from './faulty-run.js'
import { INTERRUPTED, onInterrupt } from './interrupts.js'
import { afterRunCommands } from './next-commands.js'
import { announcedFolder } from './run-folder-note.js'
import {
  addRunOptions,
  addStopAfter,
  addTicket,
  assignmentsOf,
  checkCluster,
  type RunOptions,
  threadsFor,
} from './run-options.js'
import { Supervisor, type SwarmEnd } from './supervisor.js'
import { readSwarmFile } from './swarm-source.js'
import { callsFor } from './tickets-of-parent.js'

/** Adds the command. */
export function addUp(program: Command, context: CommandContext, exit: (code: ExitCode) => void): void {
  const command = program
    .command('up')
    .argument('<file>', 'swarm file, as in peers/trio.yaml')
    .summary('starts every peer of a swarm file on this machine and shows the swarm')
    .description(
      'Starts every peer that a swarm file lists for this machine, one process each, shows the swarm and ends with the run. Ctrl-C stops and saves.',
    )
    .action(async (file: string) => exit(await up(context, file, command.optsWithGlobals<RunOptions>())))
  addTicket(addStopAfter(addRunOptions(command))).addHelpText(
    'after',
    `
Examples:
  skein up peers/trio.yaml
  skein up peers/trio.yaml --corpus ~/books --set run.stop.versions=200
  skein up peers/trio.yaml --out runs/trio --resume
  skein up peers/storm.yaml

A file with \`faults\` has its peers killed, stopped and cut off on purpose while the run goes on; at the end the
command says which promises were kept, and ends with exit code 1 if one was broken.`,
  )
}

async function up(context: CommandContext, file: string, options: RunOptions): Promise<ExitCode> {
  const swarm = readSwarmFile(file, assignmentsOf(options))
  checkCluster(options.cluster, swarm)
  checkDevice(options.engine, options.device ?? null)
  const local = localPeers(swarm, file)
  const folder = announcedFolder(context.io, {
    name: swarm.name,
    out: options.out ?? null,
    resume: options.resume,
  })
  const known = swarm.peers.map(({ name, cluster }) => ({
    name,
    cluster: local.includes(name) ? (options.cluster ?? cluster) : cluster,
  }))
  const unseen = unseenSwarm(known, options.stopAfter ?? null)
  const state = options.resume ? await withEarlierEvents(unseen, folder) : unseen
  const display = new Display(context.io, options, state)
  const faulty = await faultyRun(swarm, folder, display)
  const supervisor = new Supervisor({
    peers: local,
    founder: local.includes(swarm.peers[0].name) ? swarm.peers[0].name : null,
    startPeers: swarm.run.startPeers,
    start: (name, bootstrap, again, listener) => {
      const resume = options.resume || again
      const given = options.ticket === undefined ? [] : [options.ticket]
      const { args: calls, env } = callsFor([...bootstrap, ...given])
      const called = faulty?.connects === true ? faulty.argumentsFor(name) : calls
      const own = peerArguments(file, name, folder, local.length, { ...options, resume })
      const echo = options.verbose ? (text: string) => void context.io.stderr.write(text) : null
      return startChild(context.script, [...own, ...called], listener, echo, env)
    },
    record: (record) => {
      display.record(record)
      faulty?.heard(record)
    },
    note: (text) => display.note(text),
  })
  faulty?.attend(supervisor)
  const end = await supervised(context, supervisor, faulty, display)
  // The founder keeps the genesis; where it runs elsewhere, the local peers have something to go on with.
  const kept = !local.includes(swarm.peers[0].name) || existsSync(runPaths(folder).genesis)
  const verdict = (await faulty?.end()) ?? null
  try {
    const code = report(end, display, folder, goOnCommand(['up', file], options, folder, kept))
    return verdict === null || verdict.kept ? code : PROMISE_BROKEN
  } finally {
    // With --json standard output is for records alone.
    const out = options.json ? context.io.stderr : context.io.stdout
    if (verdict !== null) out.write(`\n${verdict.lines.join('\n')}\n`)
  }
}

/** However the run ended. */
const PROMISE_BROKEN = 1

/** Null for a file without faults. */
async function faultyRun(swarm: SwarmFile, folder: string, display: Display): Promise<FaultyRun | null> {
  const { faults, peers, clusters } = swarm
  if (faults === undefined) return null
  const names = peers.map(({ name }) => name)
  const schedule = scheduleFaults(faults, names, clusters.length)
  return FaultyRun.prepare({ swarm, folder, schedule, show: (record) => display.record(record) })
}

/** Runs the swarm to its end, stopping it on Ctrl-C and when nobody reads what it prints. */
async function supervised(
  context: CommandContext,
  supervisor: Supervisor,
  faulty: FaultyRun | null,
  display: Display,
): Promise<SwarmEnd> {
  const interrupt = (times: number) => {
    faulty?.calm()
    supervisor.interrupt(times)
  }
  let unread = false
  context.io.whenClosed(() => {
    if (unread) return
    unread = true
    display.silence()
    interrupt(1)
  })
  const done = onInterrupt((times) => {
    display.note(times === 1 ? 'stopping and saving; Ctrl-C again ends at once' : 'ending at once')
    interrupt(times)
  })
  try {
    return await supervisor.run()
  } finally {
    done()
  }
}

function report(end: SwarmEnd, display: Display, folder: string, resume: string): ExitCode {
  switch (end.kind) {
    case 'finished':
      display.summarize(folder, afterRunCommands(folder))
      return 0
    case 'stopped':
      display.summarize(folder, [resume])
      return INTERRUPTED
    case 'failed':
      display.close()
      throw end.error
  }
}

function localPeers(swarm: SwarmFile, file: string): readonly string[] {
  const local = swarm.peers.filter((peer) => peer.local).map((peer) => peer.name)
  if (local.length > 0) return local
  throw new UserError(
    'config',
    `${file} lists no peer for this machine: each has local: false`,
    'start single peers with skein peer FILE --name NAME, or set local: true where they belong here',
  )
}

/** The arguments of a peer's own process: this command's, with what it worked out. */
function peerArguments(
  file: string,
  name: string,
  folder: string,
  localPeers: number,
  options: RunOptions,
): readonly string[] {
  const { corpus, engine, device, threads, microBatch, cluster, psk, resume, stopAfter, verbose } = options
  const { maxUpload, maxDownload } = options
  const given: readonly [string, string | number | undefined][] = [
    ['--name', name],
    ['--out', folder],
    ['--engine', engine],
    ['--device', device],
    ['--threads', threadsFor(threads, localPeers)],
    ['--micro-batch', microBatch],
    ['--corpus', corpus],
    ['--cluster', cluster],
    ['--psk', psk],
    ['--max-upload', maxUpload],
    ['--max-download', maxDownload],
    ['--stop-after', stopAfter],
    ...assignmentsOf(options).map((assignment): [string, string] => ['--set', assignment]),
  ]
  return [
    'peer',
    file,
    '--report-to-parent',
    ...given.flatMap(([option, value]) => (value === undefined ? [] : [option, String(value)])),
    ...(resume ? ['--resume'] : []),
    ...(verbose ? ['--verbose'] : []),
  ]
}
