// The status of a run, asked over the network; and what a peer tells of where it is.
import assert from 'node:assert/strict'
import { peerId, runId } from '../../src/core/ids.js'
import type { PeerStatus } from '../../src/ports/status.js'
import { closePeers, join, startPeer } from './peers.js'

const id = peerId('12D3KooWATcTB9VkZi8x498PiRVc5QruTwWCYxSwgywqBgNaguj7')
const status: PeerStatus = {
  name: 'anser',
  id,
  cluster: 'north',
  pid: 7,
  run: runId('ab'.repeat(32)),
  time: '2026-01-01T00:00:00.000Z',
  epoch: 0,
  term: 3,
  leader: { name: 'anser', id },
  leads: 'it founded the run',
  voters: [{ name: 'anser', id }],
  next: null,
  tolerance: 'one voter: not fault-tolerant',
  above: null,
  parent: null,
  members: [{ name: 'anser', id, cluster: 'north', replica: true, present: true, reach: 'lan' }],
  revoked: [],
  addresses: ['/ip4/10.0.0.1/tcp/4001'],
  paths: [{ id, kind: 'punched', roundTripMs: 12, bytesPerSecond: 2e6 }],
  version: 5,
  committed: 12,
  refusals: { heartbeat: 1 },
  phase: 'training',
}

describe('The status of a run over the network', () => {
  afterEach(closePeers)

  it('is told to whoever asks, in whatever run or none', async () => {
    const host = await startPeer()
    host.mesh.tellStatus(() => status)
    const guest = await startPeer({ run: null })
    await join(guest, host)
    assert.deepEqual(await guest.mesh.status(host.mesh.self), status)
  })

  it('is not told by a peer that is in no run yet', async () => {
    const host = await startPeer({ run: null })
    const guest = await startPeer({ run: null })
    await join(guest, host)
    await assert.rejects(guest.mesh.status(host.mesh.self), /ended before a frame came/)
  })

  it('is not taken where it is malformed', async () => {
    const host = await startPeer()
    host.mesh.tellStatus(() => ({ ...status, term: -1 }))
    const guest = await startPeer({ run: null })
    await join(guest, host)
    await assert.rejects(guest.mesh.status(host.mesh.self), /term/)
  })

  it('cannot be asked of a peer that is not connected', async () => {
    const guest = await startPeer({ run: null })
    await assert.rejects(guest.mesh.status(id), /not connected/)
  })
})

describe('The addresses of a peer', () => {
  afterEach(closePeers)

  it('are those that it listens on, unless it tells others', async () => {
    const usual = await startPeer()
    assert.match(usual.mesh.addresses().join(), /^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/\w+$/)
    const elsewhere = await startPeer({ announce: ['/ip4/192.0.2.1/tcp/4001'] })
    assert.deepEqual(elsewhere.mesh.addresses(), [`/ip4/192.0.2.1/tcp/4001/p2p/${elsewhere.mesh.self}`])
  })

  it('are none where it tells none', async () => {
    const shy = await startPeer({ announce: [] })
    assert.deepEqual(shy.mesh.addresses(), [])
  })
})
