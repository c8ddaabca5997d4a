// The rows of `skein bench engine` as a table, and what there is to say about them.
import type { EngineRow } from '../bench/engine-row.js'
import type { Machine, Report } from '../bench/report.js'
import { bytes, clean, count, percent } from '../observe/format.js'
import { type Column, tableLines } from '../observe/table.js'

/** Blank where it was not measured. */
const cell = (value: number | null, text: (value: number) => string): string =>
  value === null ? '' : text(value)
const milliseconds = (ms: number): string => ms.toFixed(ms < 100 ? 1 : 0)
const whole = (value: number): string => value.toFixed(0)

const column = (title: string, spare: number, text: (row: EngineRow) => string): Column<EngineRow> => ({
  title,
  align: 'right',
  spare,
  text,
})

const own: readonly Column<EngineRow>[] = [
  { title: 'engine', align: 'left', spare: 0, text: ({ engine }) => engine },
  { title: 'size', align: 'left', spare: 0, text: ({ size }) => size },
  column('threads', 0, ({ threads }) => String(threads)),
  column('ms/step', 0, ({ msPerStep }) => cell(msPerStep, milliseconds)),
  column('tokens/s', 1, ({ tokensPerSecond }) => cell(tokensPerSecond, count)),
  column('GFLOP/s', 2, ({ gflops }) => cell(gflops, whole)),
  column('of sgemm', 0, ({ sgemmShare }) => cell(sgemmShare, percent)),
  column('memory', 0, ({ peakBytes }) => cell(peakBytes, bytes)),
]
const torch: readonly Column<EngineRow>[] = [
  column('torch ms', 0, ({ torchMsPerStep }) => cell(torchMsPerStep, milliseconds)),
  column('torch memory', 1, ({ torchPeakBytes }) => cell(torchPeakBytes, bytes)),
  column('of torch', 0, (row) =>
    cell(row.ratioToTorch, (ratio) => ratio.toFixed(2) + (row.void === null ? '' : '*')),
  ),
]

/** Lines of at most `columns`, but for what is said about rows. */
export function engineTable({ machine, rows }: Report<EngineRow>, columns: number): string[] {
  const compared = rows.some(({ torchMsPerStep }) => torchMsPerStep !== null)
  return [
    ...machineLines(machine),
    '',
    ...tableLines(rows, compared ? [...own, ...torch] : own, columns),
    '',
    ...[...new Set(rows.map(sizeLine))],
    ...rows.flatMap(remarks),
  ]
}

/** What was measured on, in two lines. */
export function machineLines({ cpu, cores, memoryBytes, os, node, onnxruntime, torch }: Machine): string[] {
  const versions = [
    `node ${node}`,
    onnxruntime && `onnxruntime ${onnxruntime}`,
    torch && `torch ${clean(torch)}`,
  ]
  return [`${cpu}, ${cores} cores, ${bytes(memoryBytes)}, ${os}`, versions.filter(Boolean).join(', ')]
}

function sizeLine({ size, parameters, vocabulary, context, batch }: EngineRow): string {
  const tokens = `${batch} sequences of ${context}, vocabulary ${vocabulary}`
  return `size ${size}: ${count(parameters)} parameters, ${tokens}`
}

function remarks({ engine, size, threads, void: unfair, failure }: EngineRow): string[] {
  const row = `${engine}, ${size}, ${threads}`
  return [
    ...(unfair === null ? [] : [`* ${row}: void, ${unfair}`]),
    ...(failure === null ? [] : [`${row}: not measured: ${clean(failure)}`]),
  ]
}
