// The length of the grace window (Alg. 2, 4, 5).
import assert from 'node:assert/strict'
import { graceMs } from '../../src/outer/grace.js'

describe('The grace window (Alg. 2, 4, 5)', () => {
  const measured = { slowestStepMs: 300, transferSpreadMs: 50, roundMs: 10_000 }

  it('lasts one step of the slowest worker plus the spread of transfers when automatic', () => {
    assert.equal(graceMs({ setting: 'auto', ...measured }), 350)
  })
  it('lasts at most a tenth of a round when automatic', () => {
    assert.equal(graceMs({ setting: 'auto', ...measured, roundMs: 2000 }), 200)
  })
  it('lasts the seconds it is set to, whatever was measured', () => {
    assert.equal(graceMs({ setting: 2.5, ...measured }), 2500)
    assert.equal(graceMs({ setting: 0, ...measured }), 0)
  })
})
