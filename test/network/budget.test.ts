// Bytes in flight on real streams: control and the budget beside bulk and gossip, and the caps.
import assert from 'node:assert/strict'
import { contentName } from '../../src/platform/content-name.js'
import { contributionOf, gossips, join, numbered, numberOf, payloadOf, startPeer } from './peers.js'
import { closeAll } from './raw.js'

const gradients = { kind: 'gradients', cluster: 'east' } as const
const slow = [{ between: ['east', 'west'] as [string, string], bytesPerSecond: 2e6, latencyMs: 5 }]

describe('Control beside bulk and gossip on a slow link', () => {
  afterEach(closeAll)

  it('gets through, message by message, while both fill it', async () => {
    const [east, west] = await Promise.all([
      startPeer({ cluster: 'east', links: slow }),
      startPeer({ cluster: 'west' }),
    ])
    east.mesh.place(west.mesh.self, 'west')
    west.mesh.subscribe(gradients)
    await join(west, east)
    await gossips(east, gradients, [west])
    const bytes = payloadOf(3_000_000)
    east.mesh.serve(() => bytes)
    const payload = payloadOf(2_000_000, 7)
    const order: string[] = []
    const bulk = west.mesh
      .fetch({ kind: 'theta', version: 1 }, [east.mesh.self], contentName(bytes))
      .then(() => order.push('bulk'))
    const gossip = east.mesh.publishContribution(gradients, contributionOf(payload), payload)
    void west.heard('contribution').then(() => order.push('gossip'))
    for (let turn = 0; turn < 6; turn++) {
      east.mesh.send(west.mesh.self, numbered(turn))
      await west.heard('message', ({ message }) => numberOf(message) === turn)
      order.push('control')
    }
    await Promise.all([bulk, gossip, west.heard('contribution')])
    assert.deepEqual(order.slice(0, 6), new Array(6).fill('control'))
    assert.deepEqual(order.slice(6).sort(), ['bulk', 'gossip'])
  })
})

describe('A cap on a peer', () => {
  afterEach(closeAll)

  const rate = 4e6
  const caps = { uploadBytesPerSecond: rate, downloadBytesPerSecond: rate }
  const none = { uploadBytesPerSecond: null, downloadBytesPerSecond: null }

  for (const [what, donorCaps, takerCaps] of [
    ['upload', caps, none],
    ['download', none, caps],
  ] as const) {
    it(`holds its ${what} to the rate`, async () => {
      const [donor, taker] = await Promise.all([
        startPeer({ caps: donorCaps }),
        startPeer({ caps: takerCaps }),
      ])
      await join(taker, donor)
      const bytes = payloadOf(6_000_000)
      donor.mesh.serve(() => bytes)
      const start = performance.now()
      const fetched = await taker.mesh.fetch(
        { kind: 'theta', version: 1 },
        [donor.mesh.self],
        contentName(bytes),
      )
      const seconds = (performance.now() - start) / 1000
      assert.equal(contentName(fetched), contentName(bytes))
      // Up to a fifth of a second's worth leaves at once, and the last chunks asked for may be overdrawn.
      assert(seconds > 0.8, `6 MB in ${seconds} s at 4 MB/s`)
    })
  }
})
