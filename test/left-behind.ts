// Loaded by mocha into each of its processes, which outlive the files that they run: a file that leaves an error
// behind, or something open that would keep a process of its own from ending, fails, as it would alone.
import assert from 'node:assert/strict'
import { setTimeout as after, setImmediate as soon } from 'node:timers/promises'

/** Where files run in processes beside mocha's own, it tells nobody of these. */
process.on('unhandledRejection', (reason) => {
  throw reason
})

/** What a process of mocha holds itself: its channels, and the timer of the hook that looks. */
let usual = countOf([...process.getActiveResourcesInfo(), 'Timeout'])

/** Told as open from when it is made until it is used first, though it keeps no process from ending. */
const harmless = 'IntervalHistogram'

/** Handles are closed by the system after close() has been called, and timers run out. */
const patienceMs = 10_000

export const mochaHooks = {
  async afterAll(this: Mocha.Context) {
    this.timeout(2 * patienceMs)
    // Mocha sets its timer when it has the promise.
    await soon()
    const end = performance.now() + patienceMs
    while (leftOpen().length > 0 && performance.now() < end) await after(20)
    const left = leftOpen()
    // The files that follow in this process are not to blame for it.
    if (left.length > 0) usual = countOf([...process.getActiveResourcesInfo(), 'Timeout'])
    assert.deepEqual(left, [], 'nothing is left open that keeps a process from ending')
  },
}

function leftOpen(): readonly string[] {
  const now = countOf(process.getActiveResourcesInfo().filter((kind) => kind !== harmless))
  return [...now].flatMap(([kind, count]) => (count > (usual.get(kind) ?? 0) ? [`${count} ${kind}`] : []))
}

function countOf(kinds: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return counts
}
