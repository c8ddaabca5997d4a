// An emulated slower device, on a clock of the test's own.
import assert from 'node:assert/strict'
import { Pace } from '../../src/engine/pace.js'

/** Time at which each of the steps, slept for, is over. */
function ends(slowdown: number, ownMs: readonly number[]): number[] {
  const pace = new Pace(slowdown)
  let at = 1_000
  pace.begin(at)
  return ownMs.map((ms) => {
    at += ms
    at += pace.sleepMs(ms, at)
    return at - 1_000
  })
}

describe('An emulated slower device', () => {
  it('stretches every step by its factor', () => {
    assert.deepEqual(ends(2.5, [100, 100, 100]), [250, 500, 750])
  })

  it('does not sleep when it is not slowed down', () => {
    assert.deepEqual(ends(1, [100, 300, 100]), [100, 400, 500])
  })

  it('takes the time of a disturbed step from its sleep, and from the next ones', () => {
    const steady = ends(2, [100, 100, 100, 100, 100, 100])
    const disturbed = ends(2, [100, 100, 100, 350, 100, 100])
    assert.deepEqual(disturbed.slice(5), steady.slice(5))
  })

  it('follows a machine that has become slower', () => {
    const times = ends(2, [...Array(20).fill(100), ...Array(20).fill(200)])
    assert.equal(times[39] - times[38], 400)
  })

  it('starts afresh with each round', () => {
    const pace = new Pace(2)
    pace.begin(0)
    pace.sleepMs(100, 100)
    pace.begin(5_000)
    assert.equal(pace.sleepMs(100, 5_100), 100)
  })
})
