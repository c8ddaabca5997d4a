// Eq. 3: the inner learning rate by steps on a shard.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { learningRateAt, shardScheduleSteps } from '../../src/outer/learning-rate.js'
import { assertClose } from './made.js'

describe('The learning rate (Eq. 3)', () => {
  const schedule = { peak: 1, min: 0.1, warmupSteps: 10, totalSteps: 110 }

  it('rises linearly to its peak over the warm-up', () => {
    assert.equal(learningRateAt(0, schedule), 0)
    assert.equal(learningRateAt(5, schedule), 0.5)
    assert.equal(learningRateAt(10, schedule), 1)
  })
  it('falls along half a cosine to its minimum', () => {
    assertClose([learningRateAt(35, schedule)], [0.8681980515339464], 1e-15)
    assertClose([learningRateAt(60, schedule)], [0.55], 1e-15)
    assertClose([learningRateAt(110, schedule)], [0.1], 1e-15)
  })
  it('stays at its minimum after the last scheduled step', () => {
    assertClose([learningRateAt(111, schedule), learningRateAt(1e9, schedule)], [0.1, 0.1], 1e-15)
  })
  it('starts at its peak without a warm-up', () => {
    assert.equal(learningRateAt(0, { ...schedule, warmupSteps: 0 }), 1)
  })
  it('is at its minimum once warm where the schedule is no longer than the warm-up', () => {
    const short = { ...schedule, totalSteps: 10 }
    assert.equal(learningRateAt(9, short), 0.9)
    assertClose([learningRateAt(10, short), learningRateAt(11, short)], [0.1, 0.1], 1e-15)
  })
  it('never leaves the range from minimum to peak once warm, and never rises again', () => {
    const rates = fc.record({
      min: fc.double({ min: 0, max: 1e-3, noNaN: true }),
      peak: fc.double({ min: 1e-3, max: 1, noNaN: true }),
      warmupSteps: fc.nat(100),
      totalSteps: fc.double({ min: 0, max: 1000, noNaN: true }),
    })
    fc.assert(
      fc.property(rates, (some) => {
        let last = some.peak + 1e-15
        for (let step = some.warmupSteps; step < some.warmupSteps + 50; step++) {
          const rate = learningRateAt(step, some)
          assert.ok(rate <= last + 1e-15 && rate >= some.min - 1e-15, `${rate} after ${last} at step ${step}`)
          last = rate
        }
      }),
    )
  })
  it('has on each shard the share of all steps that the shard has of the data', () => {
    assert.deepEqual(shardScheduleSteps(1000, [10, 30, 60]), [100, 300, 600])
    assert.deepEqual(shardScheduleSteps(10, [1, 1, 1, 1]), [2.5, 2.5, 2.5, 2.5])
  })
})
