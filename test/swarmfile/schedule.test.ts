// How many local steps the learning-rate schedule spans.
import assert from 'node:assert/strict'
import { scheduledSteps } from '../../src/swarmfile/schedule.js'
import { runSchema } from '../../src/swarmfile/schema.js'

const steps = (run: Parameters<typeof runSchema.parse>[0]) => scheduledSteps(runSchema.parse(run), 512)

describe('The learning-rate schedule', () => {
  it('spans what the stop rule allows: steps, tokens, or versions of one round each', () => {
    assert.equal(steps({ stop: { steps: 700 } }), 700)
    assert.equal(steps({ stop: { tokens: 5_000 } }), 10)
    assert.equal(steps({ localSteps: 20, stop: { versions: 18 } }), 360)
  })

  it('spans the contributions that clusters sum up where a version is made of their reports', () => {
    const hierarchy = { contributions: 6 }
    assert.equal(steps({ localSteps: 20, stop: { versions: 18 }, hierarchy }), 2_160)
  })
})
