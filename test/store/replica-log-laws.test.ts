// A replica's log, whatever is done to it: what it promised is there again after any crash, and nothing else ever is.
import assert from 'node:assert/strict'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import type { Entry } from '../../src/core/entries.js'
import type { HardState } from '../../src/core/events.js'
import type { LogPoint } from '../../src/core/messages.js'
import { frameOffset, readFrames } from '../../src/store/journal-format.js'
import type { HeldLog, ReplicaLog } from '../../src/store/replica-log.js'
import { withFolder } from './folders.js'
import { entry, hard, nothing, open, reopened, withQuickDisk } from './logs.js'

/** What is done to a log; numbers are relative to what it holds then. */
type Action =
  | { readonly kind: 'persist'; readonly term: number | null; readonly back: number; readonly count: number }
  | { readonly kind: 'compact'; readonly ahead: number; readonly term: number | null }
  | { readonly kind: 'reopen' }

const persists: fc.Arbitrary<Action> = fc.record({
  kind: fc.constant('persist' as const),
  term: fc.option(fc.nat(9), { nil: null }),
  back: fc.nat(3),
  count: fc.nat(4),
})
const actions: fc.Arbitrary<Action> = fc.oneof(
  { arbitrary: persists, weight: 4 },
  fc.record({
    kind: fc.constant('compact' as const),
    ahead: fc.integer({ min: -4, max: 2 }),
    term: fc.option(fc.nat(9), { nil: null }),
  }),
  fc.constant({ kind: 'reopen' } as const),
)

/** A log without a disk: entries by index. */
class Model {
  hard = nothing.hard
  base = nothing.base
  terms = new Map<number, number>()

  get held(): HeldLog {
    const entries = [...this.terms].sort(([a], [b]) => a - b).map(([index, term]) => entry(index, term))
    return { hard: this.hard, base: this.base, entries }
  }

  get last(): number {
    return Math.max(this.base.index, ...this.terms.keys())
  }

  persist(next: HardState | null, entries: readonly Entry[]): void {
    this.hard = next ?? this.hard
    for (const { index, term } of entries) {
      for (const held of [...this.terms.keys()]) if (held >= index) this.terms.delete(held)
      this.terms.set(index, term)
    }
  }

  compact(base: LogPoint): void {
    const known = base.index === this.base.index ? this.base.term : this.terms.get(base.index)
    for (const held of [...this.terms.keys()]) {
      if (known !== base.term || held <= base.index) this.terms.delete(held)
    }
    this.base = base
  }
}

/** Does one action to both; `settled` false leaves what is asked of the log under way. */
class Pair {
  readonly model = new Model()
  private log: ReplicaLog | null = null
  private readonly underWay: Promise<void>[] = []

  constructor(
    private readonly path: string,
    private readonly settled: boolean,
  ) {}

  async take(action: Action): Promise<void> {
    const { model } = this
    this.log ??= (await open(this.path)).log
    switch (action.kind) {
      case 'persist': {
        const from = Math.max(model.base.index, model.last - action.back) + 1
        const entries = Array.from({ length: action.count }, (_, i) => entry(from + i, action.term ?? 1))
        const next = action.term === null ? null : hard(action.term, action.back > 1 ? 'bob' : null)
        model.persist(next, entries)
        await this.ask(this.log.persist(next, entries))
        break
      }
      case 'compact': {
        const index = Math.max(model.base.index, model.last + action.ahead)
        const term = action.term ?? model.terms.get(index) ?? model.base.term
        model.compact({ index, term })
        await this.ask(this.log.compact({ index, term }))
        break
      }
      case 'reopen':
        await this.close()
        assert.deepEqual(await reopened(this.path), model.held)
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.underWay.splice(0))
    await this.log?.close()
    this.log = null
  }

  private async ask(done: Promise<void>): Promise<void> {
    if (this.settled) await done
    else this.underWay.push(done)
  }
}

/** A log to which all this was done. */
async function made(path: string, steps: readonly Action[], settled = true): Promise<Model> {
  const pair = new Pair(path, settled)
  for (const step of steps) await pair.take(step)
  await pair.close()
  return pair.model
}

const someActions = fc.array(actions, { maxLength: 12 })

describe("A replica's log, whatever is done to it,", () => {
  it('holds the same as one in memory, its calls one by one or all at once', () =>
    withQuickDisk(() =>
      fc.assert(
        fc.asyncProperty(someActions, fc.boolean(), (steps, settled) =>
          withFolder(async (folder) => {
            const path = join(folder, 'log')
            const { held } = await made(path, steps, settled)
            assert.deepEqual(await reopened(path), held)
          }),
        ),
      ),
    ))

  it('and cut at any byte of its last write, holds what it held before that write, or after it', () =>
    withQuickDisk(() =>
      fc.assert(
        fc.asyncProperty(someActions, persists, (steps, last) =>
          withFolder(async (folder) => {
            const path = join(folder, 'log')
            const pair = new Pair(path, true)
            for (const step of [...steps, { kind: 'reopen' } as const]) await pair.take(step)
            const before = pair.model.held
            const sizeBefore = (await stat(path)).size
            await pair.take(last)
            await pair.close()
            const bytes = await readFile(path)
            for (let cut = sizeBefore; cut <= bytes.length; cut++) {
              await writeFile(path, bytes.subarray(0, cut))
              const held = await reopened(path)
              assert.deepEqual(held, cut < bytes.length ? before : pair.model.held)
            }
          }),
        ),
        { numRuns: 30 },
      ),
    ))

  it('and with a byte flipped, is reported with the place', () =>
    withQuickDisk(() =>
      fc.assert(
        fc.asyncProperty(someActions, fc.nat(), fc.integer({ min: 1, max: 255 }), (steps, at, flip) =>
          withFolder(async (folder) => {
            const path = join(folder, 'log')
            await made(path, [...steps, { kind: 'reopen' }])
            const bytes = await readFile(path)
            const { records } = readFrames(bytes)
            const position = at % bytes.length
            const begun = records.map((_, i) => frameOffset(records, i)).filter((start) => start <= position)
            const place = begun.at(-1) ?? 0
            bytes[position] ^= flip
            await writeFile(path, bytes)
            await assert.rejects(open(path), (error: Error) => {
              const isEarlier = error.message.includes('an earlier version of skein')
              const isPlaced = error.message.includes(`${path} is damaged at byte ${place}: `)
              assert(isPlaced || (place === 0 && isEarlier), error.message)
              return true
            })
            assert.deepEqual(await readFile(path), bytes)
          }),
        ),
        { numRuns: 200 },
      ),
    ))
})
