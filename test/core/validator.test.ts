// A validation that fails.
import assert from 'node:assert/strict'
import { Driven, founder, setupOf } from './driven.js'

describe('A validator', () => {
  it('does not try a version again that could not be validated, and the run can still end', () => {
    const driven = new Driven(setupOf(founder, { stop: { versions: 1 }, validation: { everyVersions: 1 } }))
    driven.start()
    for (let i = 0; i < 3; i++) driven.event({ type: 'validation-failed', version: 0, reason: 'no memory' })
    assert.equal(driven.of('validate').length, 1)
  })
})
