// A private network: its key in front of all else.
import assert from 'node:assert/strict'
import { closePeers, join, startPeer } from './peers.js'

const keyOf = (digit: string) =>
  new TextEncoder().encode(`/key/swarm/psk/1.0.0/\n/base16/\n${digit.repeat(64)}`)

describe('A private network', () => {
  afterEach(closePeers)

  it('lets peers speak that have the same key', async () => {
    const [a, b] = [await startPeer({ psk: keyOf('a') }), await startPeer({ psk: keyOf('a') })]
    await join(a, b)
    a.mesh.send(b.mesh.self, { type: 'leave', reason: 'x' })
    assert.equal((await b.heard('message')).from, a.mesh.self)
  })

  it('lets no word through from a peer that has another key, or none', async () => {
    const host = await startPeer({ psk: keyOf('a') })
    const strangers = await Promise.all([keyOf('b'), null].map((psk) => startPeer({ psk })))
    const refused = strangers.map((stranger) =>
      assert.rejects(stranger.mesh.dial(host.mesh.addresses()[0]), /cannot reach/),
    )
    await Promise.all(refused)
    assert.deepEqual(host.told, [])
  })
})
