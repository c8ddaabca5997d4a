// `skein bench codec`: the codecs of pseudo-gradients.
import type { Command } from 'commander'
import type { CodecRow } from '../bench/codec-row.js'
import type { Report } from '../bench/report.js'
import { count } from '../observe/format.js'
import { type Column, tableLines } from '../observe/table.js'
import { machineLines } from './bench-table.js'
import type { CommandContext } from './context.js'
import { wholeNumber } from './run-options.js'

interface BenchCodecOptions {
  readonly parameters: number
  readonly json: boolean
}

/** As many as the preset paper-60m has with the vocabulary of bytes. */
const usualParameters = 31_000_000

/** Adds the command. */
export function addBenchCodec(bench: Command, { io }: CommandContext): void {
  bench
    .command('codec')
    .summary('measures the codecs of pseudo-gradients')
    .description(
      'Measures what run.compression can name, in one thread: how fast a pseudo-gradient is coded and decoded, its bytes, and how far the decoded values are from the true ones.',
    )
    .option('--parameters <n>', 'of the model; example: --parameters 370000', wholeNumber(1), usualParameters)
    .option('--json', 'prints one JSON document and nothing else; example: --json > bench.json', false)
    .addHelpText('after', '\nExample:\n  skein bench codec --parameters 370000')
    .action(async ({ parameters, json }: BenchCodecOptions) => {
      const { benchCodec } = await import('../bench/codec-bench.js')
      const report = benchCodec(parameters, (what) => {
        if (!json) io.stderr.write(`measuring ${what}\n`)
      })
      const table = () => codecTable(report, parameters, io.stdout.columns ?? 120).join('\n')
      io.stdout.write(`${json ? JSON.stringify(report, null, 2) : table()}\n`)
    })
}

const figure = (value: number | null): string => (value === null ? '' : value.toPrecision(3))

const columns: readonly Column<CodecRow>[] = [
  { title: 'name', align: 'left', spare: 0, text: ({ name }) => name },
  { title: 'value', align: 'right', spare: 0, text: ({ value }) => figure(value) },
  { title: 'unit', align: 'left', spare: 0, text: ({ unit }) => unit },
  { title: 'ideal', align: 'right', spare: 1, text: ({ ideal }) => figure(ideal) },
  { title: 'ratio', align: 'right', spare: 1, text: ({ ratio }) => figure(ratio) },
]

function codecTable({ machine, rows }: Report<CodecRow>, parameters: number, width: number): string[] {
  return [
    ...machineLines(machine),
    `${count(parameters)} parameters; medians`,
    '',
    ...tableLines(rows, columns, width),
  ]
}
