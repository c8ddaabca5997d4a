// Thousands of swarms under faults, each drawn from its seed: no promise is broken, and all is exercised.
import assert from 'node:assert/strict'
import { coverageLines } from '../../src/cli/storm.js'
import { type Coverage, entryKinds, roleChanges } from '../../src/simulate/coverage.js'
import { faultKinds } from '../../src/simulate/faults.js'
import { lieKinds } from '../../src/simulate/lies.js'
import { replay } from '../../src/simulate/replay.js'
import { storm } from '../../src/simulate/storm.js'
import { type StormsResult, storms } from '../../src/simulate/storm-pool.js'

const count = 2_000
const threads = 2

describe(`${count} storms`, function () {
  // A minute on two cores that do nothing else.
  this.timeout(600_000)
  let result: StormsResult
  before(async () => {
    const began = performance.now()
    result = await storms({ first: 1, count, threads })
    const seconds = (performance.now() - began) / 1000
    const { events, coverage, least } = result
    console.log(coverageLines(coverage).join('\n'))
    console.log(
      `${events} events in ${seconds.toFixed(0)} s, ${(events / seconds).toFixed(0)} events/s on ${threads} threads;`,
      `at least ${least.peers} peers, ${least.events} events, ${least.versions} versions and ${least.faults} faults each`,
    )
  })

  it('break no promise', () => {
    const [first] = result.broken
    if (first === undefined) return
    const again = `npx skein storm --seeds 1 --from ${first.seed} --transcript`
    const others = `broken: ${result.broken.length} of ${count}`
    assert.fail(`${first.what}\n${others}; the first again with: ${again}\n${replay(first.seed).end}`)
  })

  it('are storms: each has 5 peers, 1,000 events, 20 versions and 5 faults at least', () => {
    const { peers, events, versions, faults } = result.least
    assert.ok(peers >= 5 && events >= 1_000 && versions >= 20 && faults >= 5, JSON.stringify(result.least))
  })

  const all: readonly [string, readonly string[]][] = [
    ['entry', entryKinds],
    ['fault', faultKinds],
    ['lie', lieKinds],
    ['role', roleChanges],
    ['applied', ['all at once', 'fragment 0', 'fragment 1']],
  ]
  for (const [group, kinds] of all)
    it(`exercise every kind of ${group}`, () => assert.deepEqual(missing(result.coverage, group, kinds), []))
})

const missing = (coverage: Coverage, group: string, kinds: readonly string[]): readonly string[] =>
  kinds.filter((kind) => (coverage[`${group}: ${kind}`] ?? 0) === 0)

describe('A storm', () => {
  it('is the same every time, to the last event', () => {
    for (const seed of [1, 2, 3]) assert.deepEqual(storm(seed), storm(seed))
  })

  it('can be told as text', () => {
    const { result, text, end } = replay(4)
    assert.equal(result.broken, null)
    assert.match(text, /^ +0 ms {2}peer-0: started\n/)
    assert.ok(text.endsWith(end.slice(end.indexOf('\n'))))
    assert.ok(end.split('\n').length < text.split('\n').length)
  })
})
