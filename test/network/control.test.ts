// Control messages on their direct streams.
import assert from 'node:assert/strict'
import { CONTROL_PROTOCOL } from '../../src/network/direct/control.js'
import { contentName } from '../../src/platform/content-name.js'
import { sha256 } from '../../src/platform/sha256.js'
import { encode } from '../../src/wire/codec.js'
import { seal } from '../../src/wire/envelope.js'
import { contributionOf, join, numbered, numberOf, payloadOf, RUN, startPeer, type Told } from './peers.js'
import { closeAll, framed, startRaw } from './raw.js'

const numbers = (messages: Extract<Told, { what: 'message' }>[]) =>
  messages.map(({ message }) => numberOf(message))

describe('Control messages', () => {
  afterEach(closeAll)

  it('arrive both ways, each in the order of sending, with the sender of the connection', async () => {
    const [a, b] = await Promise.all([startPeer(), startPeer()])
    await join(a, b)
    const count = 300
    for (let from = 0; from < count; from++) {
      assert(a.mesh.send(b.mesh.self, numbered(from)))
      assert(b.mesh.send(a.mesh.self, numbered(from)))
    }
    const expected = Array.from({ length: count }, (_, index) => index)
    const atB = await b.heardTimes('message', count)
    assert.deepEqual(numbers(atB), expected)
    assert.deepEqual(numbers(await a.heardTimes('message', count)), expected)
    assert(atB.every(({ from }) => from === a.mesh.self))
    assert(a.mesh.traffic().sent.control > count * 60)
    assert(a.mesh.traffic().received.control > count * 60)
  })

  it('are not queued for a peer that is not connected', async () => {
    const [a, b] = await Promise.all([startPeer(), startPeer()])
    assert.equal(a.mesh.send(b.mesh.self, { type: 'leave', reason: 'x' }), false)
  })

  it('are queued up to a bound', async () => {
    const [a, b] = await Promise.all([startPeer(), startPeer()])
    await join(a, b)
    let queued = 0
    while (queued < 5000 && a.mesh.send(b.mesh.self, numbered(queued))) queued++
    assert.equal(queued, 1024)
    await b.heardTimes('message', queued)
    assert(a.mesh.send(b.mesh.self, numbered(0)))
  })

  it("that are too large are the sender's own error", async () => {
    const [a, b] = await Promise.all([startPeer(), startPeer()])
    await join(a, b)
    const manifest = { ...contributionOf(payloadOf(10)), chunks: new Array(2000).fill(sha256(payloadOf(3))) }
    assert.throws(() => a.mesh.send(b.mesh.self, { type: 'offer', manifest }), /at most 65536 can be sent/)
  })

  it('that are malformed are dropped and counted, and those around them arrive', async () => {
    const peer = await startPeer()
    const raw = await startRaw()
    const stream = await raw.open(peer, CONTROL_PROTOCOL)
    stream.send(framed(seal(RUN, numbered(1))))
    stream.send(framed(seal(RUN, { ...numbered(2), version: 'two' })))
    stream.send(framed(payloadOf(100)))
    stream.send(framed(encode({ hello: 'world' })))
    stream.send(framed(seal(RUN, numbered(3))))
    assert.deepEqual(numbers(await peer.heardTimes('message', 2)), [1, 3])
    const refused = await peer.heardTimes('refused', 3)
    assert(refused.every(({ from, thing }) => from === raw.id && thing === 'control message'))
    assert.match(refused[0].reason, /message\.version: .*expected/i)
  })

  it('cannot claim another sender: the connection says who it is', async () => {
    const [peer, victim] = await Promise.all([startPeer(), startPeer()])
    const raw = await startRaw()
    const stream = await raw.open(peer, CONTROL_PROTOCOL)
    stream.send(
      framed(encode({ skein: 1, run: RUN, from: victim.mesh.self, message: { type: 'leave', reason: '' } })),
    )
    assert.equal((await peer.heard('refused')).from, raw.id)
    stream.send(framed(seal(RUN, { type: 'leave', reason: 'mine' })))
    assert.equal((await peer.heard('message')).from, raw.id)
  })

  it('that announce more than 64 KiB end their stream before a byte of them is read', async () => {
    const peer = await startPeer()
    const raw = await startRaw()
    const stream = await raw.open(peer, CONTROL_PROTOCOL)
    const closed = new Promise((resolve) => stream.addEventListener('close', resolve))
    stream.send(framed(payloadOf(100_000)))
    assert.match((await peer.heard('refused')).reason, /too long/)
    await closed
    const again = await raw.open(peer, CONTROL_PROTOCOL)
    again.send(framed(seal(RUN, { type: 'leave', reason: 'sorry' })))
    await peer.heard('message')
  })

  it('cost a peer its connection when they are malformed again and again', async () => {
    const peer = await startPeer()
    const raw = await startRaw()
    const connection = await raw.dial(peer)
    const stream = await connection.newStream(CONTROL_PROTOCOL)
    for (let i = 0; i < 12; i++) stream.send(framed(payloadOf(50, i)))
    await peer.heard('disconnected', ({ peer: id }) => id === raw.id)
    await peer.heard('refused', ({ thing }) => thing === 'peer')
    await assert.rejects(raw.open(peer, CONTROL_PROTOCOL))
  })

  it('get through while a bulk transfer saturates the link', async () => {
    const [donor, taker] = await Promise.all([startPeer(), startPeer()])
    await join(taker, donor)
    const bytes = payloadOf(48 * 2 ** 20)
    donor.mesh.serve(() => bytes)
    const order: string[] = []
    const fetched = taker.mesh
      .fetch({ kind: 'theta', version: 1 }, [donor.mesh.self], contentName(bytes))
      .then(() => order.push('bulk'))
    // Sent once bulk flows, each after the answer to the one before.
    for (let turn = 0; turn < 5; turn++) {
      donor.mesh.send(taker.mesh.self, numbered(turn))
      await taker.heardTimes('message', turn + 1)
      order.push(`control ${turn}`)
    }
    await fetched
    assert.deepEqual(order, ['control 0', 'control 1', 'control 2', 'control 3', 'control 4', 'bulk'])
  })
})
