// `skein bench network`: transfers, contributions and heartbeats between real peers.
import { type Command, InvalidArgumentError } from 'commander'
import { type NetworkPart, networkParts } from '../bench/network-parts.js'
import type { NetworkRow } from '../bench/network-row.js'
import type { Report } from '../bench/report.js'
import { type Column, tableLines } from '../observe/table.js'
import { machineLines } from './bench-table.js'
import type { CommandContext } from './context.js'
import { wholeNumber } from './run-options.js'

interface BenchNetworkOptions {
  readonly only: readonly NetworkPart[]
  readonly times: number
  readonly minutes: number
  readonly rounds: number
  readonly json: boolean
}

/** Adds the command. */
export function addBenchNetwork(bench: Command, { io }: CommandContext): void {
  bench
    .command('network')
    .summary('measures transfers between peers')
    .description(
      'Starts real peers and measures 256 MiB from one to another, one version from three donors to eight peers at 100 Mbit/s each, pseudo-gradients to three replicas, and heartbeats beside bulk on a line of 10 Mbit/s. Lines are slow by tc in network namespaces where this user may make them (root on Linux), else by own caps; the rows say which.',
    )
    .option(
      '--only <parts>',
      `measures some parts only, of ${networkParts.join(', ')}; example: --only point,spread`,
      readParts,
      networkParts,
    )
    .option('--times <n>', 'contributions each way; example: --times 10', wholeNumber(1), 100)
    .option('--minutes <n>', 'of heartbeats beside bulk; example: --minutes 1', wholeNumber(1), 5)
    .option(
      '--rounds <n>',
      'of the point-to-point transfer, the best counts; example: --rounds 1',
      wholeNumber(1),
      3,
    )
    .option('--json', 'prints one JSON document and nothing else; example: --json > network.json', false)
    .addHelpText('after', '\nExample:\n  skein bench network --only point')
    .action(async ({ only: parts, times, minutes, rounds, json }: BenchNetworkOptions) => {
      const say = (what: string) => {
        if (!json) io.stderr.write(`measuring ${what}\n`)
      }
      const { benchNetwork } = await import('../bench/network-bench.js')
      const report = await benchNetwork({ parts, times, minutes, rounds, say })
      const table = () => networkTable(report, io.stdout.columns ?? 120).join('\n')
      io.stdout.write(`${json ? JSON.stringify(report, null, 2) : table()}\n`)
    })
}

function readParts(text: string): readonly NetworkPart[] {
  return text.split(',').map((part) => {
    const known = networkParts.find((name) => name === part)
    if (known === undefined) throw new InvalidArgumentError(`Expected some of ${networkParts.join(', ')}.`)
    return known
  })
}

const figure = (value: number | null): string =>
  value === null ? '' : value.toFixed(Math.abs(value) < 100 ? 2 : 0)
const column = (title: string, text: (row: NetworkRow) => string): Column<NetworkRow> => ({
  title,
  align: 'right',
  spare: 0,
  text,
})

const columns: readonly Column<NetworkRow>[] = [
  { title: 'what', align: 'left', spare: 0, text: ({ name }) => name },
  column('value', ({ value }) => figure(value)),
  { title: 'unit', align: 'left', spare: 0, text: ({ unit }) => unit },
  column('ideal', ({ ideal }) => figure(ideal)),
  column('ratio', ({ ratio }) => figure(ratio)),
]

const networkTable = ({ machine, rows }: Report<NetworkRow>, width: number): string[] => [
  ...machineLines(machine),
  '',
  ...tableLines(rows, columns, width),
]
