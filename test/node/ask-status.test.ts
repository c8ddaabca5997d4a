// Asking a peer how things stand, by the ways that lead to it.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { generateIdentity } from '../../src/network/identity.js'
import { createRelayNode, type RelayNode } from '../../src/network/reach/relay-node.js'
import { askStatus } from '../../src/node/ask-status.js'
import type { PeerStatus } from '../../src/ports/status.js'
import { closePeers, type PeerOptions, RUN, startPeer } from '../network/peers.js'

describe('The status of a peer', () => {
  let relay: RelayNode | null = null
  afterEach(async () => {
    await closePeers()
    await relay?.close()
    relay = null
  })

  const asked = { run: null, invitation: null, psk: null }

  async function telling(options: PeerOptions): Promise<{ id: string; addresses: readonly string[] }> {
    const { mesh } = await startPeer(options)
    const named = { name: 'anser', id: mesh.self }
    const status: PeerStatus = {
      ...named,
      cluster: 'lake',
      pid: 1,
      run: RUN,
      time: '2026-01-01T00:00:00.000Z',
      epoch: 0,
      term: 1,
      leader: named,
      leads: null,
      voters: null,
      next: null,
      tolerance: null,
      above: null,
      parent: null,
      members: [],
      revoked: [],
      addresses: [],
      paths: [],
      version: 1,
      committed: 1,
      refusals: {},
      phase: 'training',
    }
    mesh.tellStatus(() => status)
    return { id: mesh.self, addresses: mesh.addresses() }
  }

  it('is told by way of a relay', async () => {
    relay = await createRelayNode({
      privateKey: await generateIdentity(),
      listen: ['/ip4/127.0.0.1/tcp/0'],
      announce: null,
      relays: [],
      bytesPerSecond: 10e6,
      upnp: false,
      log: () => {},
    })
    const reach = { relays: relay.addresses(), relayBytesPerSecond: null, upnp: false }
    const { id } = await telling({ listen: [], reach })
    const addresses = [`${relay.addresses()[0]}/p2p-circuit/p2p/${id}`]
    assert.equal((await askStatus({ ...asked, addresses })).id, id)
  })

  it('is told in a private network to who has its key', async () => {
    const psk = new TextEncoder().encode(
      `/key/swarm/psk/1.0.0/\n/base16/\n${randomBytes(32).toString('hex')}`,
    )
    const { id, addresses } = await telling({ psk })
    assert.equal((await askStatus({ ...asked, addresses, psk })).id, id)
  })
})
