// Emulated links between clusters: what they count, delay and let through first.
import assert from 'node:assert/strict'
import type { Stream } from '@libp2p/interface'
import type { PeerId } from '../../src/core/ids.js'
import { emulatedBacklog, Links } from '../../src/network/flow/links.js'
import { contributionOf, gossips, join, numbered, numberOf, payloadOf, startPeer } from './peers.js'
import { closeAll } from './raw.js'

const link = (bytesPerSecond: number, latencyMs: number) => ({
  between: ['east', 'west'] as [string, string],
  bytesPerSecond,
  latencyMs,
})

describe('A link between clusters', () => {
  afterEach(closeAll)

  it('counts what crosses it, both ways, and nothing else', async () => {
    const [east, neighbour, west] = await Promise.all([
      startPeer({ cluster: 'east', links: [link(50e6, 1)] }),
      startPeer({ cluster: 'east', links: [link(50e6, 1)] }),
      startPeer({ cluster: 'west', links: [link(50e6, 1)] }),
    ])
    east.mesh.place(west.mesh.self, 'west')
    east.mesh.place(neighbour.mesh.self, 'east')
    west.mesh.place(east.mesh.self, 'east')
    await join(east, west)
    await join(east, neighbour)
    const bytes = payloadOf(300_000)
    for (const donor of [neighbour, west]) donor.mesh.serve(() => bytes)
    await east.mesh.fetch({ kind: 'theta', version: 1 }, [neighbour.mesh.self], null)
    assert.equal(east.mesh.traffic().interClusterReceived, 0)
    assert(east.mesh.traffic().received.bulk > bytes.byteLength)
    await east.mesh.fetch({ kind: 'theta', version: 1 }, [west.mesh.self], null)
    const { interClusterReceived, interClusterSent } = east.mesh.traffic()
    assert(interClusterReceived > bytes.byteLength && interClusterReceived < bytes.byteLength + 2000)
    assert(interClusterSent > 0 && interClusterSent < 2000)
    assert.equal(west.mesh.traffic().interClusterSent, interClusterReceived)
  })

  it('keeps the order of messages', async () => {
    const [east, west] = await Promise.all([
      startPeer({ cluster: 'east', links: [link(2e5, 3)] }),
      startPeer({ cluster: 'west' }),
    ])
    east.mesh.place(west.mesh.self, 'west')
    await join(east, west)
    for (let from = 0; from < 60; from++) east.mesh.send(west.mesh.self, numbered(from))
    const messages = await west.heardTimes('message', 60)
    assert.deepEqual(
      messages.map(({ message }) => numberOf(message)),
      Array.from({ length: 60 }, (_, index) => index),
    )
  })

  it('paces a contribution, which lets control pass and arrives whole', async () => {
    const gradients = { kind: 'gradients', cluster: 'east' } as const
    const [east, west] = await Promise.all([
      startPeer({ cluster: 'east', links: [link(4e6, 2)] }),
      startPeer({ cluster: 'west' }),
    ])
    east.mesh.place(west.mesh.self, 'west')
    west.mesh.subscribe(gradients)
    await join(east, west)
    await gossips(east, gradients, [west])
    const payload = payloadOf(3_000_000)
    const order: string[] = []
    void west.heard('contribution').then(() => order.push('contribution'))
    const published = east.mesh.publishContribution(gradients, contributionOf(payload), payload)
    for (let turn = 0; turn < 4; turn++) {
      east.mesh.send(west.mesh.self, numbered(turn))
      await west.heardTimes('message', turn + 1, ({ message }) => message.type === 'want-digest')
      order.push('control')
    }
    await published
    await west.heard('contribution')
    assert.deepEqual(order, ['control', 'control', 'control', 'control', 'contribution'])
  })

  it('lets control overtake the bulk that waits for it', async () => {
    const [east, west] = await Promise.all([
      startPeer({ cluster: 'east', links: [link(4e6, 0)] }),
      startPeer({ cluster: 'west' }),
    ])
    east.mesh.place(west.mesh.self, 'west')
    await join(west, east)
    const bytes = payloadOf(3_000_000)
    east.mesh.serve(() => bytes)
    const order: string[] = []
    const fetched = west.mesh
      .fetch({ kind: 'theta', version: 1 }, [east.mesh.self], null)
      .then(() => order.push('bulk'))
    for (let turn = 0; turn < 4; turn++) {
      east.mesh.send(west.mesh.self, numbered(turn))
      await west.heardTimes('message', turn + 1)
      order.push('control')
    }
    await fetched
    assert.deepEqual(order, ['control', 'control', 'control', 'control', 'bulk'])
  })
})

describe('An emulated link', () => {
  const peer = 'peer' as PeerId

  /** Enough of a stream for a link: it takes writes and can be told to drain. */
  function fakeStream(sent: string[], label: string): Stream {
    const target = new EventTarget()
    const send = ({ byteLength }: { byteLength: number }) => {
      sent.push(`${label} ${byteLength}`)
      return true
    }
    return Object.assign(target, { writeStatus: 'writable', status: 'open', send }) as unknown as Stream
  }

  it('sends urgent parcels first, tells the others to wait, and says when there is room', async () => {
    const links = new Links([link(20e6, 0)], 'east')
    links.place(peer, 'west')
    const sent: string[] = []
    const bulk = fakeStream(sent, 'bulk')
    const control = fakeStream(sent, 'control')
    const push = (stream: Stream, urgent: boolean, bytes: number) =>
      links.carry(peer, urgent, stream, new Uint8Array(bytes), stream.send)
    assert.equal(push(bulk, false, 200_000), true)
    assert.equal(push(bulk, false, 200_001), false)
    assert.equal(push(control, true, 10), true)
    assert.equal(emulatedBacklog(bulk), 400_001)
    const drained = new Promise((resolve) => bulk.addEventListener('drain', resolve))
    await drained
    await links.flushed(bulk)
    await links.flushed(control)
    assert.deepEqual(sent, ['bulk 200000', 'control 10', 'bulk 200001'])
    assert.equal(emulatedBacklog(bulk), 0)
  })

  it('that is none passes everything on at once', () => {
    const links = new Links([], 'east')
    const sent: string[] = []
    const stream = fakeStream(sent, 'bulk')
    assert.equal(links.carry(peer, false, stream, new Uint8Array(1e6), stream.send), true)
    assert.deepEqual(sent, ['bulk 1000000'])
  })

  it('drops what waits for a peer that is gone', () => {
    const links = new Links([link(1, 0)], 'east')
    links.place(peer, 'west')
    const sent: string[] = []
    const stream = fakeStream(sent, 'bulk')
    for (let i = 0; i < 3; i++) links.carry(peer, false, stream, new Uint8Array(10), stream.send)
    links.forget(peer)
    assert.deepEqual(sent, [])
    links.close()
  })
})
