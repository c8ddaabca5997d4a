// `skein bench failover`: how long a swarm of real processes is without a leader, and what that costs.
import { existsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Command } from 'commander'
import { LeaderKills } from '../bench/failover-kills.js'
import {
  type FailoverRow,
  type FailoverSummary,
  failoverRows,
  failoverSummary,
} from '../bench/failover-row.js'
import { type Report, thisMachine } from '../bench/report.js'
import { UserError } from '../core/user-error.js'
import { clean, percent } from '../observe/format.js'
import { type Column, tableLines } from '../observe/table.js'
import { writeFileAtomically } from '../store/atomic.js'
import { BenchSwarm, benchPeers, fiveVoters } from './bench-swarm.js'
import { machineLines } from './bench-table.js'
import type { CommandContext, ExitCode } from './context.js'
import { INTERRUPTED, onInterrupt } from './interrupts.js'
import { wholeNumber } from './run-options.js'

interface BenchFailoverOptions {
  readonly kills: number
  readonly json: boolean
  readonly out?: string
}

interface FailoverReport extends Report<FailoverRow> {
  readonly summary: FailoverSummary
}

/** Rounds of one to two seconds that leave most of the processor to the five processes themselves. */
const swarm = fiveVoters(
  {
    outer: { bufferSize: benchPeers.length, momentum: 0.5 },
    localSteps: 60,
    checkpoints: { everyVersions: 50 },
    validation: { everyVersions: 1000 },
  },
  10,
)

/** A swarm that needs longer to get over a kill, or to begin, does not get over it. */
const patienceMs = 120_000

/** Adds the command. */
export function addBenchFailover(
  bench: Command,
  context: CommandContext,
  exit: (code: ExitCode) => void,
): void {
  bench
    .command('failover')
    .summary('kills leaders and measures how long it takes to go on')
    .description(
      'Starts five real processes that train a small model in rounds of one to two seconds, and kills the leader by SIGKILL again and again: the killed one is started again, and trains again before the next kill. Measures the time from each kill to the next leader and to the next version, what was lost, and how long the others stood still.',
    )
    .option('--kills <n>', 'leaders to kill; example: --kills 5', wholeNumber(1), 20)
    .option('--out <file>', 'also writes the JSON document to a file; example: --out failover.json')
    .option('--json', 'prints one JSON document and nothing else; example: --json > failover.json', false)
    .addHelpText('after', '\nExample:\n  skein bench failover --kills 5')
    .action(async (options: BenchFailoverOptions) => exit(await failover(context, options)))
}

async function failover(
  { io, script }: CommandContext,
  { kills, json, out }: BenchFailoverOptions,
): Promise<ExitCode> {
  if (out !== undefined) checkFolder(out)
  const say = (text: string) => {
    if (!json) io.stderr.write(`${clean(text)}\n`)
  }
  const { report, interrupted } = await measure(script, kills, say, (handler) => io.whenClosed(handler))
  const text = `${JSON.stringify(report, null, 2)}\n`
  if (out !== undefined) await writeFileAtomically(out, [Buffer.from(text)])
  io.stdout.write(json ? text : `${failoverTable(report, io.stdout.columns ?? 120).join('\n')}\n`)
  if (interrupted) return INTERRUPTED
  return report.summary.brokenPromises.length === 0 && report.summary.unequal === 0 ? 0 : PROMISE_BROKEN
}

const PROMISE_BROKEN = 1

/** Until all kills are made, or Ctrl-C: then with those that were got over. */
async function measure(
  script: string,
  count: number,
  say: (text: string) => void,
  whenClosed: (handler: () => void) => void,
): Promise<{ report: FailoverReport; interrupted: boolean }> {
  const timers = new Set<NodeJS.Timeout>()
  const kills: LeaderKills = new LeaderKills({
    kills: count,
    voters: benchPeers.length,
    kill: (peer) => bench.supervisor.kill(peer),
    restart: (peer) => bench.supervisor.restart(peer),
    progressed: (done) => {
      say(done === count ? 'stopping' : `kill ${done + 1} of ${count}`)
      patience.refresh()
    },
    later: (ms, run) => void timers.add(setTimeout(run, ms)),
    now: Date.now,
  })
  const bench: BenchSwarm = new BenchSwarm({
    script,
    file: swarm,
    record: (record) => kills.heard(record),
    note: say,
  })
  let interrupted = false
  let giveUp: (error?: Error) => void = () => {}
  const ended = new Promise<void>((resolve, reject) => {
    giveUp = (error) => (error === undefined ? resolve() : reject(error))
  })
  const stop = () => {
    interrupted = true
    giveUp()
  }
  const patience = setTimeout(() => giveUp(tooSlow(kills.done.length)), patienceMs)
  const stopListening = onInterrupt((times) => (times === 1 ? stop() : bench.supervisor.interrupt(times)))
  whenClosed(stop)
  say(`starting ${benchPeers.length} peers`)
  try {
    const enough = Promise.race([kills.finished, ended])
    const records = await bench.run(enough)
    await enough
    const rows = failoverRows(records, kills.done)
    const summary = failoverSummary(records, kills.done, rows)
    const machine = thisMachine({ onnxruntime: null, torch: null })
    return { report: { bench: 'failover', machine, rows, summary }, interrupted }
  } finally {
    stopListening()
    for (const timer of [...timers, patience]) clearTimeout(timer)
    await bench.remove()
  }
}

const tooSlow = (done: number): UserError =>
  new UserError(
    'training',
    `the swarm did not get over kill ${done} within ${patienceMs / 1000} s`,
    'give it a machine with less other work; report it if that does not help',
  )

/** A file that cannot be written must not be found out after minutes. */
function checkFolder(path: string): void {
  const folder = dirname(path)
  if (existsSync(folder) && statSync(folder).isDirectory()) return
  throw new UserError('storage', `there is no folder ${folder} for ${path}`, 'make it, or give another path')
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`
const column = (title: string, text: (row: FailoverRow) => string): Column<FailoverRow> => ({
  title,
  align: 'right',
  spare: 0,
  text,
})

const columns: readonly Column<FailoverRow>[] = [
  { title: 'killed', align: 'left', spare: 0, text: ({ killed }) => killed },
  column('next leader', ({ electedMs }) => seconds(electedMs)),
  column('next version', ({ nextVersionMs }) => seconds(nextVersionMs)),
  column('beyond usual', ({ beyondMs }) => seconds(beyondMs)),
  column('lost', ({ contributionsLost }) => String(contributionsLost)),
  column('unequal', ({ unequalDigests }) => String(unequalDigests)),
  column('not trained', ({ trainingLost }) => percent(trainingLost)),
]

function failoverTable({ machine, rows, summary }: FailoverReport, width: number): string[] {
  const { kills, electedMedianMs, electedWorstMs, medianMs, worstMs, medianBeyondMs, worstBeyondMs } = summary
  const { usualGapMs, usualRoundMs, lost, unequal, trainingLost, brokenPromises } = summary
  return [
    ...machineLines(machine),
    '',
    ...tableLines(rows, columns, width),
    '',
    `${kills} kills of the leader of ${summary.peers} peers, ${summary.voters} of them voters; medians and worst:`,
    `next leader    ${seconds(electedMedianMs)}, ${seconds(electedWorstMs)}`,
    `next version   ${seconds(medianMs)}, ${seconds(worstMs)}; beyond the usual ${seconds(usualGapMs)} between versions ${seconds(medianBeyondMs)}, ${seconds(worstBeyondMs)}`,
    `rounds         ${seconds(usualRoundMs)}; the others trained ${percent(trainingLost)} less than usual until the next version`,
    `lost           ${lost} contributions; ${unequal} versions with unequal digests`,
    ...brokenPromises.map((what) => `BROKEN         ${clean(what)}`),
  ]
}
