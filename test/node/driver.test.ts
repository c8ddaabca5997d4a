// The driver: one event after the other, timers, and the end.
import assert from 'node:assert/strict'
import { mock } from 'node:test'
import { heartbeatMs, soonMs, soonSpreadMs } from '../../src/core/deadlines.js'
import { createPeer, step } from '../../src/core/peer.js'
import { Driver, type OutwardEffect } from '../../src/node/driver.js'
import { founder, heldAfter, ledgerOf, other, setupOf, third } from '../core/driven.js'

const started = { type: 'started', speed: 10, holding: [] } as const

describe('The driver', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
  afterEach(() => mock.timers.reset())

  it('carries out all effects of an event before it takes one that they brought about', () => {
    const setup = setupOf(founder)
    const carriedOut: string[] = []
    const driver = new Driver(
      setup,
      (effect) => {
        carriedOut.push(effect.type)
        // The founder's first write is its vote for itself, and it hears of it while the effect is carried out.
        if (effect.type !== 'persist') return
        for (const { to, message } of effect.thenSend)
          if (to === founder) driver.dispatch({ type: 'message', from: founder, message })
        carriedOut.push('(persist is carried out)')
      },
      () => 0,
    )
    driver.dispatch(started)
    const outward = (effects: readonly { type: string }[]) =>
      effects.map(({ type }) => type).filter((type) => !['set-timer', 'cancel-timer'].includes(type))
    const [, effects] = step(createPeer(setup), { ...started, at: 0 })
    const first = outward(effects)
    const at = first.indexOf('persist') + 1
    assert.ok(at > 0)
    assert.deepEqual(carriedOut.slice(0, first.length + 1), [
      ...first.slice(0, at),
      '(persist is carried out)',
      ...first.slice(at),
    ])
    assert.ok(carriedOut.length > first.length + 1, 'what the vote brought about came after all of that')
    driver.close()
  })

  it('spreads a timer by the share of its spread that is drawn', () => {
    const fired: number[] = []
    let time = 0
    const held = heldAfter(ledgerOf([founder, other, third]))
    const driver = new Driver(
      setupOf(founder, {}, held),
      (effect) => {
        if (effect.type === 'send' && effect.message.type === 'ask-vote') fired.push(time)
      },
      () => time,
      { random: () => 0.5 },
    )
    driver.dispatch(started)
    for (; fired.length === 0 && time < 10_000; time++) mock.timers.tick(1)
    assert.ok(Math.abs(fired[0] - (soonMs + soonSpreadMs / 2)) <= 1, `it asked after ${fired[0]} ms`)
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
    mock.timers.tick(heartbeatMs - 1)
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
