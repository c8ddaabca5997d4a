// The grace window, in which the leader collects arrivals before it gives new rounds.
import assert from 'node:assert/strict'
import { arrive, digestOf, founder, leading, other, third } from './driven.js'

describe('The grace window', () => {
  const grace = { grace: 2 }

  it('opens at the first arrival, and the arrivals within it are applied one by one', () => {
    const driven = leading(grace, [other, third])
    driven.at = 1_000
    driven.clear()
    arrive(driven, other)
    assert.deepEqual(
      driven
        .of('set-timer')
        .filter(({ name }) => name === 'grace')
        .map(({ afterMs }) => afterMs),
      [2_000],
    )
    assert.deepEqual(driven.kinds(), ['apply'])
    driven.at = 1_500
    arrive(driven, third)
    assert.equal(
      driven.of('set-timer').filter(({ name }) => name === 'grace').length,
      1,
      'a later arrival does not extend it',
    )
    assert.deepEqual(driven.kinds(), ['apply', 'apply'])
    assert.equal(driven.state.replica?.applied, 2)
  })

  it('gives all who arrived new rounds from the same version when it closes', () => {
    const driven = leading(grace, [other, third])
    driven.at = 1_000
    arrive(driven, other)
    arrive(driven, third)
    driven.at = 3_000
    driven.clear().timer('grace')
    const given = driven.entries().flatMap((entry) => (entry.kind === 'assign' ? [entry.assignment] : []))
    assert.deepEqual(
      given.map(({ worker, base }) => [worker, base]),
      [
        [other, 2],
        [third, 2],
      ],
    )
  })

  it('closes as soon as nobody else can arrive', () => {
    const driven = leading(grace, [other])
    driven.at = 1_000
    arrive(driven, other)
    driven.clear()
    arrive(driven, founder)
    assert.deepEqual(driven.kinds(), ['apply', 'assign', 'assign'])
    assert.equal(driven.lead.window, null)
    assert.ok(driven.of('cancel-timer').some(({ name }) => name === 'grace'))
  })

  it('waits for the outer step of what was applied before it assigns', () => {
    const driven = leading(grace)
    driven.at = 1_000
    driven.prompt = false
    driven.clear()
    arrive(driven, founder)
    driven.flush()
    assert.deepEqual(driven.kinds(), ['apply'])
    driven.event({ type: 'outer-applied', version: 1, digest: digestOf(1), stateDigest: digestOf(1) })
    assert.deepEqual(driven.kinds(), ['apply', 'assign'])
  })

  it('ends with its last waiting worker: the next arrival opens another', () => {
    const driven = leading(grace, [other, third])
    driven.at = 1_000
    arrive(driven, other)
    driven.from(other, { type: 'leave', reason: 'stopped by its user' })
    assert.equal(driven.lead.window, null)
    driven.timer('grace')
    driven.clear()
    arrive(driven, third)
    assert.deepEqual(driven.kinds(), ['apply'], 'the founder may still arrive')
    assert.equal(driven.of('set-timer').filter(({ name }) => name === 'grace').length, 1)
  })
})
