// `skein bench engine`: training steps of every engine on every size, in turns with matrix products and PyTorch.
import type { z } from 'zod'
import { UserError } from '../core/user-error.js'
import { engineCommand, productsCommand, providerOf, torchCommand } from './commands.js'
import { type Command, Contestant } from './contestant.js'
import { type EngineRow, failedRow, rowOf, type Subject } from './engine-row.js'
import { engineReadySchema, productsReadySchema, torchReadySchema } from './messages.js'
import { packageVersion, type Report, thisMachine } from './report.js'
import { parseSize, type Size } from './sizes.js'
import { type Contest, takeTurns } from './turns.js'

export interface EngineBench {
  readonly engines: readonly string[]
  readonly sizes: readonly Size[]
  readonly threads: readonly number[]
  /** Which of several GPUs; null takes the usual one. */
  readonly device: number | null
  /** Timed steps of a row; null takes as many as fill a few seconds. */
  readonly steps: number | null
  /** Command that runs a Python with PyTorch; null compares with nothing. */
  readonly python: string | null
}

/** For processes of which no step is wanted. */
const TINY = parseSize('nano')

/** Is told how far the bench is. */
export interface Watcher {
  /** An engine will be measured. */
  found(engine: string, reason: string): void
  /** The row of this number, of so many, begins. */
  began(subject: Subject, row: number, rows: number): void
  /** So much of the row is done, in [0, 1], and the rest takes about so long. */
  progressed(share: number, leftMs: number): void
}

/**
 * Measures rows one after another, each in processes of its own. A row that fails tells why; the others go on.
 * @param signal ends the bench: the report then has the rows that were finished
 * @throws UserError where an engine or PyTorch is missing, before anything is measured; the signal's reason where it
 *   ends the bench before that is known
 */
export async function benchEngines(
  bench: EngineBench,
  watcher: Watcher,
  signal: AbortSignal,
): Promise<Report<EngineRow>> {
  const { subjects, ...versions } = await lookAround(bench, watcher, signal)
  const rows: EngineRow[] = []
  for (const [i, subject] of subjects.entries()) {
    watcher.began(subject, i + 1, subjects.length)
    const row = await measuredRow(subject, bench, versions.onnxruntime !== null, watcher, signal)
    if (row === null) break
    rows.push(row)
  }
  return { bench: 'engine', machine: thisMachine(versions), rows }
}

interface Found {
  readonly subjects: readonly Subject[]
  readonly onnxruntime: string | null
  readonly torch: string | null
}

/** Starts everything once, small, so that what is missing is known before minutes are spent on the rest. */
async function lookAround(bench: EngineBench, watcher: Watcher, signal: AbortSignal): Promise<Found> {
  const { engines, sizes, threads, device, python } = bench
  const most = Math.max(...threads)
  const subjects: Subject[] = []
  for (const asked of engines) {
    // Which is the fastest of them depends on the size.
    const found = await probe(engineCommand(asked, sizes[0], most, device), engineReadySchema, signal)
    const { engine, reason } = found
    // Two names may lead to one engine.
    if (subjects.some((subject) => subject.engine === engine)) continue
    watcher.found(engine, reason)
    // An engine may have fewer threads than it is given.
    const usable = [...new Set(threads.map((count) => Math.min(count, found.threads)))]
    subjects.push(...sizes.flatMap((size) => usable.map((count) => ({ engine, size, threads: count }))))
  }
  const torches: string[] = []
  const providers = new Set(subjects.map(({ engine }) => providerOf(engine)))
  for (const provider of providers) {
    if (python === null) break
    const command = torchCommand(python, TINY, most, provider, device)
    const { torch, blas, device: on } = await probe(command, torchReadySchema, signal)
    torches.push(`${torch} (${blas}, ${on})`)
  }
  return {
    subjects,
    onnxruntime: await runtimeVersion(signal),
    torch: torches.length === 0 ? null : torches.join('; '),
  }
}

async function probe<Ready>(command: Command, schema: z.ZodType<Ready>, signal: AbortSignal): Promise<Ready> {
  const { contestant, ready } = await Contestant.start(command, schema, signal)
  await contestant.end()
  return ready
}

/** Null on a platform that ONNX Runtime is not made for: other engines are measured without its products. */
async function runtimeVersion(signal: AbortSignal): Promise<string | null> {
  try {
    await probe(productsCommand('cpu', 1, 0), productsReadySchema, signal)
    return packageVersion('onnxruntime-node')
  } catch (error) {
    if (error instanceof UserError) return null
    throw error
  }
}

/** Starts a process that the row ends. */
type Start = (command: Command, ready: z.ZodType) => Promise<Contestant>

/** Null where it was interrupted. */
async function measuredRow(
  subject: Subject,
  bench: EngineBench,
  withProducts: boolean,
  watcher: Watcher,
  signal: AbortSignal,
): Promise<EngineRow | null> {
  const started: Contestant[] = []
  const start: Start = async (command, schema) => {
    const { contestant } = await Contestant.start(command, schema, signal)
    started.push(contestant)
    return contestant
  }
  try {
    const contest = await openContest(subject, bench, withProducts, start)
    const measurements = await takeTurns(contest, bench.steps, watcher.progressed)
    return rowOf(subject, measurements)
  } catch (error) {
    if (signal.aborted) return null
    if (error instanceof UserError) return failedRow(subject, error.message)
    throw error
  } finally {
    await Promise.all(started.map((contestant) => contestant.end()))
  }
}

/** Products have processes of their own too, lest they count as memory that a step needs. */
async function openContest(
  { engine, size, threads }: Subject,
  { device, python }: EngineBench,
  withProducts: boolean,
  start: Start,
): Promise<Contest> {
  const provider = providerOf(engine)
  const steps = await start(engineCommand(engine, size, threads, device), engineReadySchema)
  const products = withProducts
    ? await start(productsCommand(provider, threads, device), productsReadySchema)
    : null
  const side = { steps, products }
  if (python === null) return { engine: side, torch: null, onGpu: provider !== 'cpu' }
  const torch = (of: Size) => start(torchCommand(python, of, threads, provider, device), torchReadySchema)
  return {
    engine: side,
    torch: { steps: await torch(size), products: await torch(TINY) },
    onGpu: provider !== 'cpu',
  }
}
