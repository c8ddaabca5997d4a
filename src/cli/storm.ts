// `skein storm`: whole swarms in virtual time, under faults, until a promise breaks or all seeds are done.
import { availableParallelism } from 'node:os'
import type { Command } from 'commander'
import { clean, cleanLines, count, duration } from '../observe/format.js'
import type { Coverage } from '../simulate/coverage.js'
import type { Replay } from '../simulate/replay.js'
import type { StormsResult } from '../simulate/storm-pool.js'
import type { CommandContext, ExitCode } from './context.js'
import { INTERRUPTED, onInterrupt } from './interrupts.js'
import type { Io } from './io.js'
import { wholeNumber } from './run-options.js'
import { StormProgress } from './storm-progress.js'

interface StormOptions {
  readonly seeds: number
  readonly from: number
  readonly json: boolean
  readonly transcript: boolean
}

/** A promise was broken: neither a mistake on the command line nor of this machine. */
const BROKEN = 1
const usualSeeds = 200
/** Broken storms told in full; the others by seed. */
const mostTold = 3

/** Adds the command. */
export function addStorm(program: Command, { io }: CommandContext, exit: (code: ExitCode) => void): void {
  program
    .command('storm')
    .summary('tries the protocol in simulated swarms under faults')
    .description(
      'Runs whole swarms of 5 to 9 peers in virtual time, with the code that runs in production: crashes, lost disks, partitions, pauses, lies, flipped bits, all drawn from the seed. The promises of the protocol are checked after every event, and the run has to finish once the faults stop. Exit code 1 where a promise is broken. Ctrl-C ends it with what was done so far.',
    )
    .option('--seeds <n>', 'how many storms; example: --seeds 2000', wholeNumber(1), usualSeeds)
    .option('--from <seed>', 'the first seed; example: --from 285', wholeNumber(0), 1)
    .option('--transcript', 'prints what happened in every broken storm, or in the only one', false)
    .option('--json', 'prints one JSON document and nothing else; example: --json > storms.json', false)
    .addHelpText(
      'after',
      '\nExample:\n  skein storm --seeds 2000\n  skein storm --seeds 1 --from 285 --transcript',
    )
    .action(async (options: StormOptions) => exit(await raised(io, options)))
}

async function raised(io: Io, { seeds, from, json, transcript }: StormOptions): Promise<ExitCode> {
  const abort = new AbortController()
  const stopListening = onInterrupt(() => abort.abort())
  io.whenClosed(() => abort.abort())
  const progress = new StormProgress(json ? null : io.stderr, from, seeds)
  const began = performance.now()
  let result: StormsResult
  try {
    const { storms } = await import('../simulate/storm-pool.js')
    const threads = availableParallelism()
    result = await storms({
      first: from,
      count: seeds,
      threads,
      onResult: progress.over,
      signal: abort.signal,
    })
  } finally {
    progress.close()
    stopListening()
  }
  const { broken, events, virtualSeconds } = result
  if (json) io.stdout.write(`${JSON.stringify({ seeds: result.seeds, events, virtualSeconds, broken })}\n`)
  else {
    io.stdout.write(`${summary(result, performance.now() - began)}\n`)
    if (transcript && seeds === 1) io.stdout.write(cleanLines((await replayOf(from)).text))
    else
      for (const { seed } of broken.slice(0, mostTold)) io.stdout.write(await brokenStorm(seed, transcript))
  }
  if (broken.length > 0) return BROKEN
  return abort.signal.aborted ? INTERRUPTED : 0
}

function summary({ seeds, events, virtualSeconds, coverage, broken }: StormsResult, ms: number): string {
  const speed = count(events / (ms / 1000))
  const size = `${count(events)} events, ${duration(virtualSeconds * 1000)} of virtual time`
  return [
    ...coverageLines(coverage),
    '',
    `${seeds} storms, ${size}, in ${duration(ms)}: ${speed} events/s`,
    ...broken.map(({ seed, what }) => `seed ${seed}: ${clean(what.split('\n')[0])}`),
    broken.length === 0
      ? 'no promise was broken'
      : `promises were broken in ${broken.length} of ${seeds} storms`,
  ].join('\n')
}

/** One line per group: `entries  apply 60225, assign 76094, ...`. */
export function coverageLines(coverage: Coverage): readonly string[] {
  const groups = new Map<string, string[]>()
  for (const [name, times] of Object.entries(coverage).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const [group, what] = name.split(': ', 2)
    groups.set(group, [...(groups.get(group) ?? []), `${what} ${times}`])
  }
  return [...groups].map(([group, counts]) => `${group}: ${counts.join(', ')}`)
}

async function brokenStorm(seed: number, everything: boolean): Promise<string> {
  const { text, end } = await replayOf(seed)
  const again = `npx skein storm --seeds 1 --from ${seed} --transcript`
  const told = everything ? text : `the end of it:\n${end}`
  return `\nseed ${seed}, again with: ${again}\n${cleanLines(told)}`
}

async function replayOf(seed: number): Promise<Replay> {
  const { replay } = await import('../simulate/replay.js')
  return replay(seed)
}
