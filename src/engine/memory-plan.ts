// How much memory a training will take, before it starts; and what to do where that is more than there is.
import { UserError } from '../core/user-error.js'
import type { MemoryPlan } from '../ports/trainer.js'
import type { Engine } from './engine.js'
import { microBatchSizes } from './micro-batches.js'

/** What training a model takes on an engine. */
export interface Footprint {
  /** Bytes of one flat buffer: the parameters, a moment, a gradient. */
  readonly buffer: number
  /** Such buffers at the fullest moment of a round, by what they hold. */
  readonly buffers: { readonly parameters: number; readonly optimizer: number; readonly gradient: number }
  /** Bytes of the engine's libraries. */
  readonly runtime: number
  /** Whether what a micro-batch of each size needs is kept from step to step. */
  readonly keepsEachSize: boolean
  /** Bytes at the peak of computing the gradient of so many rows at once. */
  activations(rows: number): Promise<number>
}

/**
 * @param rows sequences in a batch
 * @param microBatch of which at most so many are taken at once
 */
export async function planMemory(
  footprint: Footprint,
  rows: number,
  microBatch: number,
): Promise<MemoryPlan> {
  const { buffer, buffers, runtime, keepsEachSize } = footprint
  const sizes = microBatchSizes(rows, microBatch)
  const needs: number[] = []
  // One after another: tracing makes a backend of its own the current one.
  for (const size of sizes) needs.push(await footprint.activations(size))
  // The gradient of a micro-batch is added to that of those before.
  const added = sizes[0] < rows ? 1 : 0
  const parts = {
    parameters: buffers.parameters * buffer,
    optimizer: buffers.optimizer * buffer,
    gradient: (buffers.gradient + added) * buffer,
    activations: keepsEachSize ? sumOf(needs) : Math.max(...needs),
    runtime,
  }
  return { ...parts, total: sumOf(Object.values(parts)), rows, microBatch: sizes[0] }
}

/**
 * The engine with its plan. Where memory is short the engine refuses to train, and says what would fit; evaluation and
 * generation, which need less, it still does.
 * @param available bytes; null where nobody knows
 */
export async function withMemoryPlan(
  engine: Engine,
  footprint: Footprint,
  batch: { readonly rows: number; readonly microBatch: number },
  available: number | null,
): Promise<Engine> {
  const plan = await planMemory(footprint, batch.rows, batch.microBatch)
  const planned = { ...engine, memory: { ...plan, available } }
  if (available === null || plan.total <= available) return planned
  const shortage = await shortageOf(plan, footprint, available)
  return {
    ...planned,
    train: () => {
      throw shortage
    },
  }
}

async function shortageOf(plan: MemoryPlan, footprint: Footprint, available: number): Promise<UserError> {
  const { rows, microBatch, total } = plan
  const what = microBatch < rows ? `${microBatch} of ${rows} sequences at once` : sequences(rows)
  return new UserError(
    'engine',
    `training with ${what} needs ${megabytes(total)} of memory (${partsOf(plan)}), and ${megabytes(available)} are available`,
    await remedyFor(plan, footprint, available),
  )
}

async function remedyFor(plan: MemoryPlan, footprint: Footprint, available: number): Promise<string> {
  const fitting = await largestFitting(plan, footprint, available)
  if (fitting !== null) {
    const needs = `${megabytes(fitting.total)} are enough with --micro-batch ${fitting.microBatch}`
    return `take the batch in parts, which takes longer and learns the same: ${needs}`
  }
  const least = await planMemory(footprint, plan.rows, 1)
  const needs = `even one sequence at once needs ${megabytes(least.total)}`
  return `${needs}: choose a smaller run.model (width, layers, context), free memory, or take a machine with more`
}

/** The plan of the largest micro-batch that fits; found by halving, as each one tried is traced. */
async function largestFitting(
  { rows, microBatch }: MemoryPlan,
  footprint: Footprint,
  available: number,
): Promise<MemoryPlan | null> {
  // A batch is cut evenly: some limits make the same parts as smaller ones.
  const limits = Array.from({ length: microBatch - 1 }, (_, i) => i + 1)
  const sizes = limits.filter((most) => microBatchSizes(rows, most)[0] === most)
  let fitting: MemoryPlan | null = null
  let [low, high] = [0, sizes.length - 1]
  while (low <= high) {
    const middle = (low + high) >> 1
    const plan = await planMemory(footprint, rows, sizes[middle])
    if (plan.total <= available) {
      fitting = plan
      low = middle + 1
    } else {
      high = middle - 1
    }
  }
  return fitting
}

function partsOf({ parameters, optimizer, gradient, activations, runtime }: MemoryPlan): string {
  return Object.entries({ parameters, optimizer, gradient, activations, runtime })
    .map(([name, bytes]) => `${name} ${megabytes(bytes)}`)
    .join(', ')
}

const sequences = (count: number): string => (count === 1 ? '1 sequence' : `${count} sequences`)
const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`
const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)
