// Which peers get ways to other networks, and through which relays.
import assert from 'node:assert/strict'
import type { PeerOptions } from '../../src/node/options.js'
import { reachOf } from '../../src/node/reach.js'

const relay = '/ip4/45.0.0.1/tcp/4001/p2p/12D3KooWATcTB9VkZi8x498PiRVc5QruTwWCYxSwgywqBgNaguj7'

const options = (changes: Partial<PeerOptions>): PeerOptions =>
  ({
    listen: ['/ip4/0.0.0.0/tcp/0'],
    announce: null,
    relays: [],
    upnp: false,
    certificate: null,
    bootstrap: [],
    ...changes,
  }) as PeerOptions

describe('Ways to other networks', () => {
  it('are for peers that others can call, and for those that know a relay', () => {
    const loopback = ['/ip4/127.0.0.1/tcp/0']
    assert.equal(reachOf(options({ listen: loopback })), null)
    assert.deepEqual(reachOf(options({})), {
      relays: [],
      relayBytesPerSecond: null,
      upnp: false,
      certificate: null,
    })
    assert.deepEqual(reachOf(options({ listen: loopback, relays: [relay] }))?.relays, [relay])
  })

  it('are not for peers that tell nobody where they are', () => {
    assert.equal(reachOf(options({ announce: [], relays: [relay] })), null)
  })

  it('lead through the relays on the way to the addresses given, each once', () => {
    const bootstrap = [
      `${relay}/p2p-circuit/p2p/12D3KooX`,
      '/ip4/45.0.0.2/tcp/1',
      `${relay}/p2p-circuit/p2p/12D3KooY`,
    ]
    assert.deepEqual(reachOf(options({ bootstrap, relays: [relay] }))?.relays, [relay])
  })
})
