// A row's contest: every side takes a turn in every round, so that what slows the machine slows them alike.
import { setTimeout as pause } from 'node:timers/promises'
import type { Contestant } from './contestant.js'
import type { Measurements, SideMeasurements } from './engine-row.js'

/** Who takes training steps, and who shows what matrix products alone can reach with the same means. */
export interface Side {
  readonly steps: Pick<Contestant, 'steps' | 'peakBytes'>
  readonly products: Pick<Contestant, 'sgemm'> | null
}

export interface Contest {
  readonly engine: Side
  readonly torch: Side | null
  readonly onGpu: boolean
}

const ROUNDS = 5
/** The first step compiles, the second still finds memory and caches. */
const WARM_UP_STEPS = 2
/** What the timed steps of a side shall take together, where their number is not given, and its limits. */
const TIMED_MS = 10_000
const LEAST_STEPS = 10
const MOST_STEPS = 200
/** Threads of the other side may stay awake this long for more work before they sleep. */
const SETTLE_MS = 250
/** Large enough that a product runs at full speed. */
const MATRIX = { cpu: 2048, gpu: 4096 } as const

/**
 * @param steps timed steps of each side, or null for as many as fill TIMED_MS
 * @param progressed is told the share done and the milliseconds left
 */
export async function takeTurns(
  { engine, torch, onGpu }: Contest,
  steps: number | null,
  progressed: (share: number, leftMs: number) => void,
  settleMs = SETTLE_MS,
): Promise<Measurements> {
  const matrix = onGpu ? MATRIX.gpu : MATRIX.cpu
  const runs = [engine, ...(torch === null ? [] : [torch])].map((side) => new Run(side, matrix, settleMs))
  for (const run of runs) await run.warmUp()
  const paces = runs.map(({ paceMs }) => paceMs)
  const count = steps ?? stepsFor(Math.max(...paces))
  const rounds = Math.min(ROUNDS, count)

  const start = performance.now()
  let leftMs = paces.reduce((sum, pace) => sum + pace, 0) * (count + rounds)
  for (let round = 0; round < rounds; round++) {
    progressed(round / rounds, leftMs)
    for (const run of runs) await run.takeTurn(stepsOfRound(count, rounds, round))
    leftMs = ((performance.now() - start) / (round + 1)) * (rounds - round - 1)
  }
  progressed(1, 0)
  const [ours, theirs] = await Promise.all(runs.map((run) => run.measurements()))
  return { engine: onGpu ? { ...ours, peakBytes: null } : ours, torch: theirs ?? null }
}

/** One side's way through the rounds. */
class Run {
  readonly #ms: number[] = []
  #best: number | null = null
  paceMs = 0

  constructor(
    private readonly side: Side,
    private readonly matrix: number,
    private readonly settleMs: number,
  ) {}

  async warmUp(): Promise<void> {
    await pause(this.settleMs)
    this.paceMs = (await this.side.steps.steps(WARM_UP_STEPS)).at(-1)!
  }

  /** The first step finds the caches full of another's work: it is not counted. */
  async takeTurn(count: number): Promise<void> {
    await pause(this.settleMs)
    this.#ms.push(...(await this.side.steps.steps(count + 1)).slice(1))
    if (this.side.products === null) return
    await pause(this.settleMs)
    this.#best = Math.max(this.#best ?? 0, await this.side.products.sgemm(this.matrix))
  }

  async measurements(): Promise<SideMeasurements> {
    return { ms: this.#ms, peakBytes: await this.side.steps.peakBytes(), sgemmGflops: this.#best }
  }
}

function stepsFor(paceMs: number): number {
  return Math.min(MOST_STEPS, Math.max(LEAST_STEPS, Math.ceil(TIMED_MS / paceMs)))
}

/** `count` steps over the rounds, as evenly as can be. */
function stepsOfRound(count: number, rounds: number, round: number): number {
  return Math.floor((count * (round + 1)) / rounds) - Math.floor((count * round) / rounds)
}
