// Eq. 6: how many local steps each worker takes, and the speeds that decide it.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { clampSpeed, fastestSpeed, localSteps, robustSpeed } from '../../src/outer/dylu.js'

describe('Dynamic local updates (Eq. 6)', () => {
  it('give the devices of the published toy steps in proportion to their speeds', () => {
    const secondsPerStep = [0.58, 0.75, 1.51, 3.33]
    const steps = secondsPerStep.map((seconds) => localSteps(1 / seconds, 1 / 0.58, 50))
    assert.deepEqual(steps, [50, 38, 19, 8])
  })
  it('give at least one step, however slow the worker', () => {
    assert.equal(localSteps(1e-9, 10, 50), 1)
  })
  it('give at most H steps to a worker above the speed that counts as the fastest', () => {
    assert.equal(localSteps(30, 10, 50), 50)
  })
  it('do not lose a step to rounding when the exact ratio is whole', () => {
    const whole = fc.tuple(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 500 }))
    fc.assert(
      fc.property(whole, fc.double({ min: 1e-3, max: 1e3, noNaN: true }), ([a, b], fastest) => {
        const steps = Math.min(a, b)
        const H = Math.max(a, b)
        assert.equal(localSteps((fastest * steps) / H, fastest, H), steps)
        assert.equal(localSteps(1 / ((H / steps) * (1 / fastest)), fastest, H), steps)
      }),
    )
  })
  it('round down what is truly below a whole number', () => {
    assert.equal(localSteps(0.9999, 1, 50), 49)
  })
})

describe('The fastest speed', () => {
  it('is the highest among fewer than 8 workers', () => {
    assert.equal(fastestSpeed([1, 9, 3, 2, 5, 4, 6]), 9)
    assert.equal(fastestSpeed([2]), 2)
  })
  it('is not decided by one outlier among 8 or more', () => {
    assert.equal(fastestSpeed([1, 2, 3, 4, 5, 6, 7, 1000]), 7)
    assert.equal(fastestSpeed([...Array.from({ length: 15 }, (_, i) => i + 1), 1000]), 14)
  })
  it('is unknown without workers', () => assert.equal(fastestSpeed([]), null))
  it('does not reorder its input', () => {
    const speeds = Object.freeze([3, 1, 2])
    assert.equal(fastestSpeed(speeds), 3)
    assert.equal(robustSpeed(speeds), 2)
  })
})

describe('The running estimate of a speed', () => {
  it('is the median of the recent rounds, which one stalled round does not move far', () => {
    assert.equal(robustSpeed([5, 5.2, 0.01]), 5)
    assert.equal(robustSpeed([4, 5, 6, 100]), 5.5)
    assert.equal(robustSpeed([4]), 4)
  })
  it('is unknown before the first round', () => assert.equal(robustSpeed([]), null))
})

describe('A self-reported speed', () => {
  it('is taken as it is where the arrival time allows it', () => assert.equal(clampSpeed(12, 10, 1000), 12))
  it('is at least steps per time since the assignment', () => assert.equal(clampSpeed(3, 10, 1000), 10))
  it('is at most four times that', () => assert.equal(clampSpeed(1e6, 10, 1000), 40))
  it('counts as the least when it is no positive number', () => {
    for (const lie of [Number.NaN, -5, 0, Number.NEGATIVE_INFINITY])
      assert.equal(clampSpeed(lie, 10, 1000), 10)
    assert.equal(clampSpeed(Number.POSITIVE_INFINITY, 10, 1000), 40)
  })
  it('is not judged where no time passed', () => assert.equal(clampSpeed(12, 10, 0), 12))
})
