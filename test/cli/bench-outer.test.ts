// `skein bench outer` in a real process, on a model small enough for a test.
import assert from 'node:assert/strict'
import { outerRowSchema } from '../../src/bench/outer-row.js'
import { reportSchema } from '../../src/bench/report.js'
import { realMain, run, Workplace } from './processes.js'

describe('skein bench outer', () => {
  const place = new Workplace()
  after(() => place.remove())
  const skein = (...args: readonly string[]) => run(realMain, ['bench', 'outer', ...args], place.folder)

  it('prints one document with every part in every way', async () => {
    const { code, stdout, stderr } = await skein('--parameters', '1000', '--json')
    assert.deepEqual([code, stderr], [0, ''])
    const { machine, rows } = reportSchema('outer', outerRowSchema).parse(JSON.parse(stdout))
    assert.equal(machine.node, process.versions.node)
    assert.equal(new Set(rows.map(({ what, how }) => `${what} ${how}`)).size, 12)
    assert.equal(new Set(rows.map(({ what }) => what)).size, 6)
    for (const { parameters, leastMs, ms, mostMs } of rows) {
      assert.equal(parameters, 1000)
      assert.ok(leastMs <= ms && ms <= mostMs, `${leastMs}, ${ms}, ${mostMs}`)
    }
  })

  it('prints a table, and says meanwhile what it measures', async () => {
    const { code, stdout, stderr } = await skein('--parameters', '1000')
    assert.equal(code, 0)
    assert.match(stderr, /^measuring decoding, .*\nmeasuring whole applies, .*\n$/)
    assert.match(stdout, /^1000 parameters; medians\n\nwhat +how +ms +least +most +runs$/m)
    assert.match(stdout, /^step at a milestone +kernel +[\d.]+ +[\d.]+ +[\d.]+ +11$/m)
  })

  it('answers a count that is none with exit code 2 and a reason', async () => {
    const { code, stdout, stderr } = await skein('--parameters', '0')
    assert.deepEqual([code, stdout], [2, ''])
    assert.match(stderr, /--parameters .*whole number of at least 1/)
  })
})
