// The doorkeeper by itself: its patience, and whose streams it holds back.
import assert from 'node:assert/strict'
import { mock } from 'node:test'
import type { Connection } from '@libp2p/interface'
import { type PeerId, peerId } from '../../src/core/ids.js'
import { Doorkeeper } from '../../src/network/door/doorkeeper.js'
import { Gate } from '../../src/network/door/gate.js'
import type { Door } from '../../src/ports/door.js'

const stranger = peerId('12D3KooWGRUyYqJuKZbGYnVAGNvKYcWv6ATVK8fmCm3V4mT1mWcL')

function keeping(relay: PeerId | null = null) {
  const hungUp: PeerId[] = []
  const keeper = new Doorkeeper({
    door: { isIn: true } as Door,
    gate: new Gate(() => 0),
    meter: {} as never,
    self: peerId('me'),
    isRelay: (peer) => peer === relay,
    hangUp: (peer) => hungUp.push(peer),
    admitted: () => assert.fail('somebody was let in'),
    refused: () => {},
    malformed: () => {},
  })
  return { keeper, hungUp }
}

describe('A doorkeeper', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
  afterEach(() => mock.timers.reset())

  it('hangs up on who says nothing for some seconds, and lets none of its streams through', async () => {
    const { keeper, hungUp } = keeping()
    keeper.connected(stranger)
    const streams = Array.from({ length: 40 }, () => keeper.admission(stranger))
    // So many may wait; the others are turned down at once.
    assert.deepEqual(await Promise.all(streams.slice(16)), new Array(24).fill(false))
    mock.timers.tick(7_999)
    assert.deepEqual(hungUp, [])
    mock.timers.tick(1)
    assert.deepEqual(hungUp, [stranger])
    assert.deepEqual(await Promise.all(streams), new Array(40).fill(false))
    assert(!keeper.isInside(stranger))
  })

  it('lets no stream wait of a peer that is not connected', async () => {
    assert.equal(await keeping().keeper.admission(stranger), false)
  })

  it('asks those who are there once it has entered its run, but no relay', () => {
    for (const [relay, expected] of [
      [null, 1],
      [stranger, 0],
    ] as const) {
      const newStream = mock.fn(() => Promise.reject(new Error('it is gone')))
      const connection = { remotePeer: { toString: () => stranger }, newStream } as unknown as Connection
      keeping(relay).keeper.entered([connection])
      assert.equal(newStream.mock.callCount(), expected)
    }
  })
})

describe('A peer that was refused', () => {
  it('waits twice as long each time before it may come again, five minutes at most', () => {
    let nowMs = 0
    const gate = new Gate(() => nowMs)
    const waits = Array.from({ length: 8 }, () => {
      const from = nowMs
      gate.refuse(stranger)
      while (gate.isBanned(stranger)) nowMs += 1_000
      return (nowMs - from) / 1_000
    })
    assert.deepEqual(waits, [5, 10, 20, 40, 80, 160, 300, 300])
    gate.setOurs(stranger)
    gate.refuse(stranger)
    nowMs += 5_000
    assert(!gate.isBanned(stranger))
  })
})
