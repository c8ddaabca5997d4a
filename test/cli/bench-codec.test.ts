// `skein bench codec` in a real process, on a model small enough for a test.
import assert from 'node:assert/strict'
import { codecRowSchema } from '../../src/bench/codec-row.js'
import { reportSchema } from '../../src/bench/report.js'
import { realMain, run, Workplace } from './processes.js'

describe('skein bench codec', () => {
  const place = new Workplace()
  after(() => place.remove())
  const skein = (...args: readonly string[]) => run(realMain, ['bench', 'codec', ...args], place.folder)

  it('prints one document with speed, size and error of every codec', async () => {
    const { code, stdout, stderr } = await skein('--parameters', '81920', '--json')
    assert.deepEqual([code, stderr], [0, ''])
    const { rows } = reportSchema('codec', codecRowSchema).parse(JSON.parse(stdout))
    assert.equal(rows.length, 20)
    const value = (name: string) => rows.find((row) => row.name === name)?.value
    assert.equal(value('int4 size'), 0.5 + 4 / 128)
    assert.equal(value('fp32 error'), 0)
    assert.ok((value('int8 error') ?? 1) < 0.01)
    for (const { value, ideal, ratio } of rows) assert.equal(ratio, ideal === null ? null : value / ideal)
  })

  it('prints a table, and says meanwhile what it measures', async () => {
    const { code, stdout, stderr } = await skein('--parameters', '5000')
    assert.equal(code, 0)
    assert.match(stderr, /^measuring fp32\n(measuring \w+\n){4}$/)
    assert.match(stdout, /^5000 parameters; medians\n\nname +value +unit +ideal +ratio$/m)
  })
})
