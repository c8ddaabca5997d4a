// Many storms on many threads: each depends on its seed alone, so that they share nothing.
import { Worker } from 'node:worker_threads'
import { added, type Coverage } from './coverage.js'
import type { StormResult } from './storm.js'

export interface Storms {
  readonly first: number
  readonly count: number
  readonly threads: number
  /** Told of every storm when it is over, in no order. */
  readonly onResult?: (result: StormResult) => void
  /** Stops early: what is under way is dropped. */
  readonly signal?: AbortSignal
}

/** All storms together, as far as they came. */
export interface StormsResult {
  readonly seeds: number
  readonly events: number
  readonly virtualSeconds: number
  /** The least of any storm, to say what each of them was made of. */
  readonly least: {
    readonly peers: number
    readonly events: number
    readonly versions: number
    readonly faults: number
  }
  readonly coverage: Coverage
  /** By seed. */
  readonly broken: readonly { readonly seed: number; readonly what: string }[]
}

/** Seeds that a thread takes at once: enough to keep it busy while the next are on their way. */
const seedsAtOnce = 8

/** Nearly all that a storm makes is garbage at once: with room for it little is ever moved. */
const maxYoungGenerationSizeMb = 96

const program = new URL('./storm-thread.js', import.meta.url)

export async function storms({ first, count, threads, onResult, signal }: Storms): Promise<StormsResult> {
  const results: StormResult[] = []
  let next = first
  const thread = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(program, { resourceLimits: { maxYoungGenerationSizeMb } })
      const end = () => void worker.terminate().then(() => resolve(), reject)
      let owed = 0
      const give = () => {
        const seeds = Array.from({ length: Math.min(seedsAtOnce, first + count - next) }, () => next++)
        owed += seeds.length
        if (seeds.length > 0) worker.postMessage(seeds)
        else if (owed === 0) end()
      }
      worker.on('message', (result: StormResult) => {
        owed--
        results.push(result)
        onResult?.(result)
        if (owed === 0) give()
      })
      worker.once('error', reject)
      signal?.addEventListener('abort', end, { once: true })
      if (signal?.aborted === true) end()
      else give()
    })
  await Promise.all(Array.from({ length: Math.min(threads, Math.ceil(count / seedsAtOnce)) }, thread))
  return summaryOf(results)
}

function summaryOf(results: readonly StormResult[]): StormsResult {
  const least = (of: (result: StormResult) => number) =>
    results.reduce((low, one) => Math.min(low, of(one)), Infinity)
  const sum = (of: (result: StormResult) => number) => results.reduce((total, one) => total + of(one), 0)
  return {
    seeds: results.length,
    events: sum(({ events }) => events),
    virtualSeconds: sum(({ virtualSeconds }) => virtualSeconds),
    least: {
      peers: least(({ peers }) => peers),
      events: least(({ events }) => events),
      versions: least(({ versions }) => versions),
      faults: least(({ faults }) => faults),
    },
    coverage: results.reduce((all, { coverage }) => added(all, coverage), {}),
    broken: results
      .flatMap(({ seed, broken: what }) => (what === null ? [] : [{ seed, what }]))
      .sort((a, b) => a.seed - b.seed),
  }
}
