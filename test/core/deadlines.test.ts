// Durations: each follows from what was observed, and none is without bound.
import assert from 'node:assert/strict'
import { deadlineMs, reofferMs, restMs } from '../../src/core/deadlines.js'
import { median, spread } from '../../src/outer/statistics.js'

describe('The deadline of a round', () => {
  const known = { steps: 30, speed: 10, overheads: [100, 120, 110], failures: 0 }

  it('is some times the expected duration, and more where transfers vary', () => {
    const deadline = deadlineMs(known)
    assert.ok(deadline > 3 * 3_110 && deadline < 20_000, `${deadline} ms`)
    assert.ok(deadlineMs({ ...known, overheads: [100, 2_000, 4_000] }) > deadline)
  })

  it('is long before anything was measured', () => {
    assert.equal(deadlineMs({ ...known, speed: null }), 600_000)
  })

  it('doubles with every round in a row that came to nothing, up to a bound', () => {
    assert.equal(deadlineMs({ ...known, failures: 2 }), 4 * deadlineMs(known))
    assert.equal(deadlineMs({ ...known, failures: 60 }), deadlineMs({ ...known, failures: 6 }))
  })
})

describe('Waiting times', () => {
  it('double, and end at half a minute for offers and a minute for rests', () => {
    assert.deepEqual([0, 1, 2, 9].map(reofferMs), [3_000, 6_000, 12_000, 30_000])
    assert.deepEqual([0, 1, 2, 3, 4, 60].map(restMs), [0, 0, 1_000, 2_000, 4_000, 60_000])
  })
})

describe('The median and its deviation', () => {
  it('are not moved by one value far off', () => {
    assert.equal(median([3, 1, 2]), 2)
    assert.equal(median([4, 1, 2, 3]), 2.5)
    assert.equal(spread([10, 11, 12, 9_999]), 1)
    assert.deepEqual([median([]), spread([])], [0, 0])
  })
})
