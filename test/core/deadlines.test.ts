// Durations: each follows from what was observed, and none is without bound.
import assert from 'node:assert/strict'
import { deadlineMs, electionMs, leaseMs, reofferMs, restMs } from '../../src/core/deadlines.js'
import { median, spread } from '../../src/outer/statistics.js'

describe('The deadline of a round', () => {
  const known = { steps: 30, speeds: [10, 10.5, 9.5], overheads: [100, 120, 110], failures: 0 }

  it('is twice the median round, and more where rounds or transfers vary', () => {
    const deadline = deadlineMs(known)
    assert.ok(deadline > 2 * 3_110 && deadline < 12_000, `${deadline} ms`)
    assert.ok(deadlineMs({ ...known, overheads: [100, 2_000, 4_000] }) > deadline)
    assert.ok(deadlineMs({ ...known, speeds: [10, 20, 5] }) > deadline)
  })

  it('is longer while only one round, or the rehearsal, was measured', () => {
    assert.ok(deadlineMs({ ...known, speeds: [10] }) > deadlineMs(known) + 2_000)
  })

  it('is long before anything was measured', () => {
    assert.equal(deadlineMs({ ...known, speeds: [] }), 600_000)
  })

  it('doubles with every round in a row that came to nothing, up to a bound', () => {
    assert.ok(Math.abs(deadlineMs({ ...known, failures: 2 }) - 4 * deadlineMs(known)) <= 4, 'to a rounding')
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

describe('The wait for a leader', () => {
  it('is five heartbeats, and more where the leader is usually slower', () => {
    assert.equal(electionMs([]), 2_500)
    assert.equal(electionMs([500, 501, 499]), 2_505)
    assert.equal(electionMs([900, 1_000, 1_100]), 5_500)
    assert.equal(electionMs([60_000, 60_000]), 10_000, 'up to a bound')
  })

  it('is not drawn out by a single long pause', () => {
    assert.equal(electionMs([500, 500, 500, 30_000]), 2_500)
  })

  it("is always longer than the leader's lease, so that no two lead at one time", () => {
    for (const gaps of [[], [1], [500, 500], [9_999]]) assert.ok(electionMs(gaps) > leaseMs)
  })
})
