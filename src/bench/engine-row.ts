// A row of `skein bench engine`: one engine on one size with so many threads.
import { z } from 'zod'
import { flopsOf, parametersOf, type Size, tokensOf } from './sizes.js'

const measured = z.number().nonnegative().nullable()

/** Null where it was not measured. */
export const engineRowSchema = z.strictObject({
  engine: z.string(),
  size: z.string(),
  threads: z.number().int().positive(),
  msPerStep: measured.describe('Median.'),
  tokensPerSecond: measured,
  gflops: measured.describe("GFLOP/s of the step's matrix products; masked attention counts."),
  sgemmShare: measured.describe('Of sgemmGflops.'),
  peakBytes: measured.describe('Resident memory of the process at its highest; null on a GPU.'),
  ratioToTorch: measured.describe(
    "Speed as a share of PyTorch's: torchMsPerStep / msPerStep; above 1 is faster.",
  ),
  steps: z.number().int().nonnegative().describe('Timed steps of each.'),
  sgemmGflops: measured.describe(
    'Best product of two large matrices by ONNX Runtime, in turns with the steps.',
  ),
  torchMsPerStep: measured,
  torchPeakBytes: measured,
  torchSgemmGflops: measured,
  void: z.string().nullable().describe('Why the ratio to PyTorch says nothing.'),
  failure: z.string().nullable().describe('Why nothing was measured.'),
  parameters: z.number().int(),
  context: z.number().int(),
  batch: z.number().int(),
  vocabulary: z.number().int(),
})
export type EngineRow = z.infer<typeof engineRowSchema>

/** What a row is about. */
export interface Subject {
  readonly engine: string
  readonly size: Size
  readonly threads: number
}

/** What was measured of an engine, or of PyTorch. */
export interface SideMeasurements {
  /** Milliseconds of each timed step. */
  readonly ms: readonly number[]
  readonly peakBytes: number | null
  /** Of matrix products alone. */
  readonly sgemmGflops: number | null
}

export interface Measurements {
  readonly engine: SideMeasurements
  /** Null where not compared. */
  readonly torch: SideMeasurements | null
}

/** PyTorch is not at its best where its own products are slower than this share of ours. */
const FAIR_SHARE = 0.9

export function rowOf(subject: Subject, { engine, torch }: Measurements): EngineRow {
  const msPerStep = median(engine.ms)
  const gflops = flopsOf(subject.size) / msPerStep / 1e6
  const { peakBytes, sgemmGflops } = engine
  const row = {
    ...unmeasured(subject),
    msPerStep,
    tokensPerSecond: (tokensOf(subject.size) / msPerStep) * 1000,
    gflops,
    sgemmShare: sgemmGflops === null ? null : gflops / sgemmGflops,
    peakBytes,
    steps: engine.ms.length,
    sgemmGflops,
  }
  if (torch === null) return row
  const torchMsPerStep = median(torch.ms)
  return {
    ...row,
    ratioToTorch: torchMsPerStep / msPerStep,
    torchMsPerStep,
    torchPeakBytes: torch.peakBytes,
    torchSgemmGflops: torch.sgemmGflops,
    void: unfair(torch.sgemmGflops, sgemmGflops),
  }
}

export const failedRow = (subject: Subject, failure: string): EngineRow => ({
  ...unmeasured(subject),
  failure,
})

function unmeasured({ engine, size, threads }: Subject): EngineRow {
  const { model, batch } = size
  return {
    engine,
    size: size.name,
    threads,
    msPerStep: null,
    tokensPerSecond: null,
    gflops: null,
    sgemmShare: null,
    peakBytes: null,
    ratioToTorch: null,
    steps: 0,
    sgemmGflops: null,
    torchMsPerStep: null,
    torchPeakBytes: null,
    torchSgemmGflops: null,
    void: null,
    failure: null,
    parameters: parametersOf(size),
    context: model.context,
    batch,
    vocabulary: model.vocabulary,
  }
}

function unfair(torch: number | null, ours: number | null): string | null {
  if (torch === null || ours === null || torch >= FAIR_SHARE * ours) return null
  const rates = `${torch.toFixed(0)} GFLOP/s against ${ours.toFixed(0)}`
  return `this PyTorch multiplies matrices at ${rates}, below ${FAIR_SHARE * 100} %: it is not at its best`
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
