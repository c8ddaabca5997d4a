// The driver: one event after the other, timers, and the end.
import assert from 'node:assert/strict'
import { mock } from 'node:test'
import { step } from '../../src/core/peer.js'
import { Driver, type OutwardEffect } from '../../src/node/driver.js'
import { founder, other, setupOf } from '../core/driven.js'

const started = { type: 'started', speed: 10, holding: null } as const

describe('The driver', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
  afterEach(() => mock.timers.reset())

  it('carries out all effects of an event before it takes one that they brought about', () => {
    const types: string[] = []
    const driver = new Driver(
      setupOf(founder),
      (effect) => {
        types.push(effect.type)
        if (effect.type !== 'append') return
        driver.dispatch({ type: 'appended', index: effect.entries.at(-1)?.index ?? 0 })
        types.push('(append is carried out)')
      },
      () => 0,
    )
    driver.dispatch(started)
    const outward = (effects: readonly { type: string }[]) =>
      effects.map(({ type }) => type).filter((type) => !['set-timer', 'cancel-timer'].includes(type))
    const [state, effects] = step(
      new Driver(
        setupOf(founder),
        () => {},
        () => 0,
      ).state,
      { ...started, at: 0 },
    )
    const first = outward(effects)
    const at = first.indexOf('append') + 1
    assert.deepEqual(types.slice(0, first.length + 1), [
      ...first.slice(0, at),
      '(append is carried out)',
      ...first.slice(at),
    ])
    const index = state.lead?.proposed.at(-1)?.index ?? 0
    const [, then] = step(state, { type: 'appended', index, at: 0 })
    assert.deepEqual(types.slice(first.length + 1, first.length + 1 + outward(then).length), outward(then))
    driver.close()
  })

  it('tells the core when a timer is due, with the time by its clock, and none after it is closed', () => {
    const joins: OutwardEffect[] = []
    const driver = new Driver(
      setupOf(other),
      (effect) => {
        if (effect.type === 'send' && effect.message.type === 'join') joins.push(effect)
      },
      () => 0,
    )
    driver.dispatch({ type: 'connected', peer: founder })
    driver.dispatch(started)
    assert.equal(joins.length, 1)
    mock.timers.tick(999)
    assert.equal(joins.length, 1)
    mock.timers.tick(1)
    assert.equal(joins.length, 2)
    driver.close()
    mock.timers.tick(60_000)
    assert.equal(joins.length, 2)
  })

  it('says how the part of its peer ended, and has no timer left', async () => {
    const driver = new Driver(
      setupOf(other),
      () => {},
      () => 0,
    )
    driver.dispatch(started)
    driver.dispatch({ type: 'stop-requested' })
    assert.equal((await driver.ended).outcome, 'stopped')
  })

  it('ends with what an effect throws, which no one who brought an event hears of, and takes no more', async () => {
    const fault = new Error('no such effect')
    let carriedOut = 0
    const driver = new Driver(
      setupOf(other),
      () => {
        carriedOut++
        throw fault
      },
      () => 0,
    )
    driver.dispatch(started)
    await assert.rejects(driver.ended, fault)
    driver.dispatch({ type: 'stop-requested' })
    assert.equal(carriedOut, 1)
  })
})
