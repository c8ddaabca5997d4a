// `skein bench idle`: what a swarm without work sends, and whether its leader stays.
import type { Command } from 'commander'
import { type IdleRow, type IdleSummary, idleRows, idleSummary } from '../bench/idle-row.js'
import { type Report, thisMachine } from '../bench/report.js'
import { duration } from '../observe/format.js'
import { type Column, tableLines } from '../observe/table.js'
import { BenchSwarm, benchPeers, fiveVoters } from './bench-swarm.js'
import { machineLines } from './bench-table.js'
import type { CommandContext, ExitCode } from './context.js'
import { INTERRUPTED, onInterrupt } from './interrupts.js'
import { wholeNumber } from './run-options.js'

interface BenchIdleOptions {
  readonly minutes: number
  readonly json: boolean
}

interface IdleReport extends Report<IdleRow> {
  readonly summary: IdleSummary
}

/** Everybody has a round whose first step sleeps for longer than any bench: nothing is trained, nothing is sent. */
const swarm = fiveVoters({ localSteps: 1_000 }, 1e8)

/** Adds the command. */
export function addBenchIdle(bench: Command, context: CommandContext, exit: (code: ExitCode) => void): void {
  bench
    .command('idle')
    .summary('measures what a swarm without work sends')
    .description(
      'Starts five real processes that all vote and have nothing to do, and measures the bytes that each sends per second, and how often the leader changes.',
    )
    .option('--minutes <n>', 'time from when all five vote; example: --minutes 1', wholeNumber(1), 10)
    .option('--json', 'prints one JSON document and nothing else; example: --json > idle.json', false)
    .addHelpText('after', '\nExample:\n  skein bench idle --minutes 1')
    .action(async (options: BenchIdleOptions) => exit(await idle(context, options)))
}

async function idle({ io, script }: CommandContext, { minutes, json }: BenchIdleOptions): Promise<ExitCode> {
  const say = (text: string) => {
    if (!json) io.stderr.write(`${text}\n`)
  }
  let completeMs: number | null = null
  let timer: NodeJS.Timeout | undefined
  let interrupted = false
  let finish: () => void = () => {}
  const enough = new Promise<void>((resolve) => {
    finish = resolve
  })
  const stop = () => {
    interrupted = true
    finish()
  }
  const bench = new BenchSwarm({
    script,
    file: swarm,
    record: (record) => {
      if (completeMs !== null || record.type !== 'voters') return
      if (record.next !== null || record.voters.length < benchPeers.length) return
      completeMs = Date.now()
      say(`all ${benchPeers.length} vote; measuring for ${duration(60_000 * minutes)}`)
      timer = setTimeout(finish, 60_000 * minutes)
    },
    note: say,
  })
  const stopListening = onInterrupt((times) => (times === 1 ? stop() : bench.supervisor.interrupt(times)))
  io.whenClosed(stop)
  say(`starting ${benchPeers.length} peers`)
  try {
    const records = await bench.run(enough)
    const rows = idleRows(records, completeMs ?? Number.POSITIVE_INFINITY)
    const machine = thisMachine({ onnxruntime: null, torch: null })
    const report: IdleReport = { bench: 'idle', machine, rows, summary: idleSummary(records, rows) }
    const text = () => idleTable(report, io.stdout.columns ?? 120).join('\n')
    io.stdout.write(`${json ? JSON.stringify(report, null, 2) : text()}\n`)
    return interrupted ? INTERRUPTED : 0
  } finally {
    stopListening()
    clearTimeout(timer)
    await bench.remove()
  }
}

const column = (title: string, text: (row: IdleRow) => string): Column<IdleRow> => ({
  title,
  align: 'right',
  spare: 0,
  text,
})

const columns: readonly Column<IdleRow>[] = [
  { title: 'peer', align: 'left', spare: 0, text: ({ peer }) => peer },
  column('control B/s', (row) => row.controlBytesPerSecond.toFixed(0)),
  column('gossip B/s', (row) => row.gossipBytesPerSecond.toFixed(0)),
  column('idle B/s', (row) => row.sentBytesPerSecond.toFixed(0)),
  column('idle', (row) => duration(row.idleSeconds * 1000)),
]

function idleTable({ machine, rows, summary }: IdleReport, width: number): string[] {
  const { leaderChanges, controlBytesPerSecond, sentBytesPerSecond } = summary
  return [
    ...machineLines(machine),
    '',
    ...tableLines(rows, columns, width),
    '',
    `mean of the peers: ${controlBytesPerSecond.toFixed(0)} B/s control, ${sentBytesPerSecond.toFixed(0)} B/s of all kinds while idle`,
    `leader changes: ${leaderChanges}`,
  ]
}
