// `skein bench outer`: the outer step of a replica, by its parts and as a whole.
import type { Command } from 'commander'
import type { OuterRow } from '../bench/outer-row.js'
import type { Report } from '../bench/report.js'
import { count } from '../observe/format.js'
import { type Column, tableLines } from '../observe/table.js'
import { machineLines } from './bench-table.js'
import type { CommandContext } from './context.js'
import { wholeNumber } from './run-options.js'

interface BenchOuterOptions {
  readonly parameters: number
  readonly json: boolean
}

/** As many as the preset paper-60m has with the vocabulary of bytes. */
const usualParameters = 31_000_000

/** Adds the command. */
export function addBenchOuter(bench: Command, { io }: CommandContext): void {
  bench
    .command('outer')
    .summary('measures the outer step of a replica')
    .description(
      'Measures what becomes of a contribution in a replica (float32, delayed Nesterov): decoding, the step between milestones and at one, digests, all of it as a whole, and how long the network thread is held up meanwhile.',
    )
    .option('--parameters <n>', 'of the model; example: --parameters 370000', wholeNumber(1), usualParameters)
    .option('--json', 'prints one JSON document and nothing else; example: --json > bench.json', false)
    .addHelpText('after', '\nExample:\n  skein bench outer --parameters 370000')
    .action(async ({ parameters, json }: BenchOuterOptions) => {
      const { benchOuter } = await import('../bench/outer-bench.js')
      const report = await benchOuter(parameters, (what) => {
        if (!json) io.stderr.write(`measuring ${what}\n`)
      })
      const table = () => outerTable(report, parameters, io.stdout.columns ?? 120).join('\n')
      io.stdout.write(`${json ? JSON.stringify(report, null, 2) : table()}\n`)
    })
}

const milliseconds = (ms: number): string => ms.toFixed(ms < 10 ? 2 : 1)
const time = (title: string, spare: number, of: (row: OuterRow) => number): Column<OuterRow> => ({
  title,
  align: 'right',
  spare,
  text: (row) => milliseconds(of(row)),
})

const columns: readonly Column<OuterRow>[] = [
  { title: 'what', align: 'left', spare: 0, text: ({ what }) => what },
  { title: 'how', align: 'left', spare: 0, text: ({ how }) => how },
  time('ms', 0, ({ ms }) => ms),
  time('least', 1, ({ leastMs }) => leastMs),
  time('most', 1, ({ mostMs }) => mostMs),
  { title: 'runs', align: 'right', spare: 2, text: ({ runs }) => String(runs) },
]

function outerTable({ machine, rows }: Report<OuterRow>, parameters: number, width: number): string[] {
  return [
    ...machineLines(machine),
    `${count(parameters)} parameters; medians`,
    '',
    ...tableLines(rows, columns, width),
  ]
}
