// `skein bench engine`: training steps of each engine, by size and threads, beside PyTorch where asked for.
import { existsSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { EngineRow } from '../bench/engine-row.js'
import type { Report } from '../bench/report.js'
import { parseSize, type Size, sizeNames } from '../bench/sizes.js'
import { exitCodes, UserError } from '../core/user-error.js'
import { checkDevice, type EngineName, engineNames, parseEngineName } from '../engine/names.js'
import { writeFileAtomically } from '../store/atomic.js'
import { BenchProgress } from './bench-progress.js'
import { engineTable } from './bench-table.js'
import type { CommandContext, ExitCode } from './context.js'
import { INTERRUPTED, onInterrupt } from './interrupts.js'
import { wholeNumber } from './run-options.js'

interface BenchEngineOptions {
  readonly size: readonly Size[]
  readonly threads: readonly number[]
  readonly engine: readonly EngineName[]
  readonly steps?: number
  readonly against?: 'torch'
  readonly python?: string
  readonly dump?: string
  readonly json: boolean
  readonly out?: string
  readonly device?: number
}

/** Threads measured unless others are given: one, and two where there are as many cores. */
const usualThreads = [1, 2].filter((threads) => threads <= availableParallelism())

/** Adds the command. */
export function addBenchEngine(
  bench: Command,
  context: CommandContext,
  exit: (code: ExitCode) => void,
): void {
  bench
    .command('engine')
    .summary('measures the training steps of engines')
    .description(
      "Measures training steps (forward, backward, clip, AdamW; float32) of each engine on each size with each number of threads, in processes of their own: time, tokens and matrix work per second, the share of what matrix products alone reach, peak memory. With --against torch PyTorch takes the same steps in turns, and the last column is this engine's speed as a share of PyTorch's.",
    )
    .addOption(
      new Option(
        '--size <names>',
        `of ${sizeNames.join(', ')}; b and c have vocabularies of 4096 and 32000, the others that of bytes, 256; a step is of 8 sequences, of c 4; example: --size a,paper-20m`,
      )
        .argParser(listOf(parseSize))
        .default(['a', 'b', 'c'].map(parseSize), 'a,b,c'),
    )
    .addOption(
      new Option('--threads <counts>', 'compute threads; example: --threads 1,2')
        .argParser(listOf(wholeNumber(1)))
        .default(usualThreads, usualThreads.join()),
    )
    .addOption(
      new Option(
        '--engine <names>',
        `what executes the model, of ${engineNames.join(', ')}; auto is the fastest at the first size; example: --engine onnx-cpu,wasm`,
      )
        .argParser(listOf(parseEngineName))
        .default(['onnx-cpu'], 'onnx-cpu'),
    )
    .option(
      '--steps <n>',
      'timed steps of each row, beside those that warm up; example: --steps 50 (default: as many as take 10 s, 10 to 200)',
      wholeNumber(1),
    )
    .addOption(
      new Option(
        '--against <what>',
        'measures PyTorch in turns with the engine; example: --against torch',
      ).choices(['torch']),
    )
    .option(
      '--python <command>',
      'a Python that has PyTorch, for --against; example: --python ~/torch/bin/python (default: python3)',
      words,
    )
    .option(
      '--dump <file>',
      'also saves the training step of the first size as an ONNX graph for a viewer: forward, backward, clip and AdamW in one, in the operators of onnx-cpu; example: --dump step.onnx',
    )
    .option('--device <n>', 'which of several GPUs; example: --device 1', wholeNumber(0))
    .option('--out <file>', 'also writes the JSON document to a file; example: --out bench.json')
    .option('--json', 'prints one JSON document and nothing else; example: --json > bench.json', false)
    .addHelpText('after', '\nExample:\n  skein bench engine --size a,b --threads 1,2 --against torch')
    .action(async (options: BenchEngineOptions) => exit(await measured(context, options)))
}

async function measured({ io }: CommandContext, options: BenchEngineOptions): Promise<ExitCode> {
  const { dump, out, json, against, python, engine, device } = options
  for (const name of engine) checkDevice(name, device ?? null)
  if (python !== undefined && against === undefined) {
    throw new UserError('usage', '--python is for a comparison, and none is asked for', 'add --against torch')
  }
  for (const path of [dump, out]) if (path !== undefined) checkFolder(path)
  if (dump !== undefined) {
    const { stepFile } = await import('../bench/dump.js')
    await writeFileAtomically(dump, [await stepFile(options.size[0])])
    if (!json) io.stderr.write(`wrote the training step of size ${options.size[0].name} to ${dump}\n`)
  }
  const { report, interrupted } = await measure(io, options)
  if (report === null || (interrupted && report.rows.length === 0)) return INTERRUPTED
  const text = `${JSON.stringify(report, null, 2)}\n`
  if (out !== undefined) await writeFileAtomically(out, [Buffer.from(text)])
  io.stdout.write(json ? text : `${engineTable(report, io.stdout.columns ?? 120).join('\n')}\n`)
  if (interrupted) return INTERRUPTED
  return report.rows.some(({ failure }) => failure !== null) ? exitCodes.engine : 0
}

/** Until all is measured or Ctrl-C: then with the rows that are finished, and null before there can be any. */
async function measure(
  io: CommandContext['io'],
  { size, engine, threads, steps, against, python, device, json }: BenchEngineOptions,
): Promise<{ report: Report<EngineRow> | null; interrupted: boolean }> {
  const abort = new AbortController()
  const stopListening = onInterrupt(() => abort.abort())
  io.whenClosed(() => abort.abort())
  const progress = new BenchProgress(json ? null : io.stderr)
  const bench = {
    engines: engine,
    sizes: size,
    threads,
    device: device ?? null,
    steps: steps ?? null,
    python: against === undefined ? null : (python ?? 'python3'),
  }
  try {
    const { benchEngines } = await import('../bench/engine-bench.js')
    const report = await benchEngines(bench, progress, abort.signal)
    return { report, interrupted: abort.signal.aborted }
  } catch (error) {
    if (!abort.signal.aborted) throw error
    return { report: null, interrupted: true }
  } finally {
    progress.close()
    stopListening()
  }
}

/** A file that cannot be written must not be found out after minutes. */
function checkFolder(path: string): void {
  const folder = dirname(path)
  if (existsSync(folder) && statSync(folder).isDirectory()) return
  throw new UserError('storage', `there is no folder ${folder} for ${path}`, 'make it, or give another path')
}

/** Reads `a,b,c`, each once. */
const listOf =
  <Item>(parse: (text: string) => Item) =>
  (text: string): Item[] =>
    [...new Set(text.split(',').map((part) => part.trim()))].map(parse)

function words(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('Expected a command.')
  return text
}
