// `skein bench failover` and `skein bench idle`: mistakes and help; the figures that are kept.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { failoverReportSchema } from '../../src/bench/failover-row.js'
import { idleReportSchema } from '../../src/bench/idle-row.js'
import { answer } from './answers.js'

const kept = (name: string): unknown => JSON.parse(readFileSync(`test/bench/results/${name}.json`, 'utf8'))

describe('The benches of a swarm', () => {
  const skein = (...args: readonly string[]) => answer(['bench', ...args])

  for (const [bench, option] of [
    ['failover', '--kills'],
    ['idle', '--minutes'],
  ])
    it(`explain ${bench} with its options and an example`, async () => {
      const { code, stdout } = await skein(bench, '--help')
      assert.equal(code, 0)
      assert.match(stdout.replace(/\s+/g, ' '), new RegExp(`${option} <n> [^<]*example: ${option} `))
      assert.match(stdout, new RegExp(`Example:\\n {2}skein bench ${bench} ${option} `))
    })

  const mistakes: readonly [string, string[], number, RegExp][] = [
    ['no kill at all', ['failover', '--kills', '0'], 2, /--kills .*whole number of at least 1/],
    ['a time that is none', ['idle', '--minutes', 'soon'], 2, /--minutes .*whole number of at least 1/],
    ['a file that cannot be written', ['failover', '--out', 'no/where.json'], 8, /there is no folder no for/],
  ]
  for (const [what, args, expected, message] of mistakes)
    it(`answer ${what} with exit code ${expected} and a reason`, async () => {
      const { code, stdout, stderr } = await skein(...args)
      assert.deepEqual([code, stdout], [expected, ''])
      assert.match(stderr, message)
    })

  it('keep figures of fail-overs in which nothing was lost and nothing came out differently', () => {
    const { rows, summary } = failoverReportSchema.parse(kept('failover'))
    assert.ok(rows.length >= 20)
    assert.deepEqual([summary.lost, summary.unequal, summary.brokenPromises], [0, 0, []])
  })

  it('keep figures of an idle swarm whose leader stayed', () => {
    const { rows, summary } = idleReportSchema.parse(kept('idle'))
    assert.deepEqual([rows.length, summary.leaderChanges], [5, 0])
  })
})
