// What a row says of the times that were measured.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  engineRowSchema,
  failedRow,
  median,
  rowOf,
  type SideMeasurements,
} from '../../src/bench/engine-row.js'
import { flopsOf, parseSize } from '../../src/bench/sizes.js'

const subject = { engine: 'some', size: parseSize('a'), threads: 2 }
const side = (changes: Partial<SideMeasurements> = {}): SideMeasurements => ({
  ms: [30, 50, 40],
  peakBytes: 1000,
  sgemmGflops: 400,
  ...changes,
})

describe('A row of the engine bench', () => {
  it('derives speed and share from the median step', () => {
    const row = engineRowSchema.parse(rowOf(subject, { engine: side(), torch: null }))
    assert.equal(row.msPerStep, 40)
    assert.equal(row.tokensPerSecond, 25_600)
    assert.equal(row.gflops, flopsOf(subject.size) / 40e6)
    assert.equal(row.sgemmShare, row.gflops! / 400)
    assert.deepEqual([row.steps, row.peakBytes], [3, 1000])
  })

  it('leaves blank what was not measured', () => {
    const engine = side({ sgemmGflops: null, peakBytes: null })
    const row = engineRowSchema.parse(rowOf(subject, { engine, torch: null }))
    const { sgemmShare, peakBytes, ratioToTorch, torchMsPerStep, torchPeakBytes, torchSgemmGflops } = row
    const blank = { sgemmShare, peakBytes, ratioToTorch, torchMsPerStep, torchPeakBytes, torchSgemmGflops }
    assert.deepEqual(new Set(Object.values(blank)), new Set([null]))
    assert.equal(row.void, null)
  })

  it("gives its speed as a share of PyTorch's", () => {
    const row = rowOf(subject, { engine: side(), torch: side({ ms: [20], peakBytes: 77 }) })
    assert.equal(row.ratioToTorch, 0.5)
    assert.equal(row.torchPeakBytes, 77)
  })

  it("is void exactly when PyTorch's products are slower than 90 % of ours", () => {
    const against = (sgemmGflops: number) => rowOf(subject, { engine: side(), torch: side({ sgemmGflops }) })
    assert.equal(against(361).void, null)
    assert.match(against(359).void!, /359 GFLOP\/s against 400, below 90 %/)
    assert.equal(against(359).ratioToTorch, 1)
  })

  it('has no figures where it failed, but the reason', () => {
    const row = engineRowSchema.parse(failedRow(subject, 'no memory'))
    assert.equal(row.failure, 'no memory')
    assert.deepEqual([row.msPerStep, row.gflops, row.ratioToTorch, row.steps], [null, null, null, 0])
  })

  it('takes as median a value that half of the times do not exceed and half do not fall below', () => {
    const times = fc.array(fc.double({ min: 0.01, max: 1e6, noNaN: true }), { minLength: 1 })
    fc.assert(
      fc.property(times, (values) => {
        const middle = median(values)
        const half = values.length / 2
        assert.ok(values.filter((value) => value <= middle).length >= half)
        assert.ok(values.filter((value) => value >= middle).length >= half)
      }),
    )
  })
})
