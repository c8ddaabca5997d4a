// Gossip: what arrives, from whom, and what goes no further.
import assert from 'node:assert/strict'
import { topicName } from '../../src/network/gossip/topics.js'
import { sha256 } from '../../src/platform/sha256.js'
import { encode } from '../../src/wire/codec.js'
import { seal } from '../../src/wire/envelope.js'
import {
  contributionOf,
  gossips,
  join,
  numbered,
  numberOf,
  OTHER_RUN,
  payloadOf,
  RUN,
  startPeer,
  until,
} from './peers.js'
import { closeAll, startRaw } from './raw.js'

const ledger = { kind: 'ledger' } as const
const ledgerName = topicName(RUN, ledger, null)

describe('Gossip', () => {
  afterEach(closeAll)

  it('names the author who signed it, also where another peer passed it on', async () => {
    const [author, middle, end] = await Promise.all([startPeer(), startPeer(), startPeer()])
    for (const peer of [author, middle, end]) peer.mesh.subscribe(ledger)
    await join(author, middle)
    await join(end, middle)
    await gossips(author, ledger, [middle, end])
    author.mesh.publish(ledger, numbered(42))
    const { from } = await end.heard('message', ({ message }) => message.type === 'want-digest')
    assert.equal(from, author.mesh.self)
    assert(!end.mesh.peers().includes(author.mesh.self))
  })

  it('arrives in the order of publishing', async () => {
    const [author, reader] = await Promise.all([startPeer(), startPeer()])
    reader.mesh.subscribe(ledger)
    await join(author, reader)
    await gossips(author, ledger, [reader])
    for (let from = 0; from < 100; from++) author.mesh.publish(ledger, numbered(from))
    const messages = await reader.heardTimes('message', 100, ({ message }) => message.type === 'want-digest')
    assert.deepEqual(
      messages.map(({ message }) => numberOf(message)),
      Array.from({ length: 100 }, (_, index) => index),
    )
  })

  it('reaches all of 31 peers behind one address, which all dial at once', async () => {
    const leader = await startPeer()
    const workers = await Promise.all(Array.from({ length: 31 }, () => startPeer({ listen: [] })))
    for (const worker of workers) worker.mesh.subscribe(ledger)
    await Promise.all(workers.map((worker) => join(worker, leader)))
    assert.equal(leader.mesh.peers().length, 31)
    await gossips(leader, ledger, workers)
    // And back: a peer whose score fell for its neighbours' number would not be heard.
    for (const worker of workers) worker.mesh.publish(ledger, { type: 'leave', reason: 'over' })
    leader.mesh.subscribe(ledger)
    await Promise.all(workers.map((worker) => gossips(worker, ledger, [leader])))
  })

  it('that is malformed, oversized or of another run is dropped, goes no further, and is held against the sender', async () => {
    const [near, far] = await Promise.all([startPeer(), startPeer()])
    for (const peer of [near, far]) peer.mesh.subscribe(ledger)
    await join(far, near)
    const raw = await startRaw()
    await raw.dial(near)
    await until(() => raw.gossip.getSubscribers(ledgerName).length === 1)
    await raw.gossip.publish(ledgerName, payloadOf(200))
    await raw.gossip.publish(ledgerName, encode({ skein: 1, run: RUN, message: { type: 'leave' } }))
    await raw.gossip.publish(ledgerName, seal(OTHER_RUN, { type: 'leave', reason: 'x' }))
    await raw.gossip.publish(ledgerName, payloadOf(100_000))
    const refused = await near.heardTimes('refused', 4)
    assert(refused.every(({ from, thing }) => from === raw.id && thing === `gossip of ${raw.id}`))
    assert.match(refused[3].reason, /100000 bytes where at most 65536 are allowed/)
    await raw.gossip.publish(ledgerName, seal(RUN, { type: 'leave', reason: 'good' }))
    await far.heard('message')
    assert.equal(far.told.filter(({ what }) => what === 'message').length, 1)
    assert.equal(far.told.filter(({ what }) => what === 'refused').length, 0)
  })

  it('of a peer that only sends rubbish ends with its connection', async () => {
    const peer = await startPeer()
    peer.mesh.subscribe(ledger)
    const raw = await startRaw()
    await raw.dial(peer)
    await until(() => raw.gossip.getSubscribers(ledgerName).length === 1)
    for (let i = 0; i < 12; i++) await raw.gossip.publish(ledgerName, payloadOf(50, i))
    await peer.heard('disconnected', ({ peer: id }) => id === raw.id)
  })

  it("that is too large to be carried is the publisher's own error", async () => {
    const peer = await startPeer()
    const manifest = { ...contributionOf(payloadOf(10)), chunks: new Array(2000).fill(sha256(payloadOf(3))) }
    assert.throws(
      () => peer.mesh.publish(ledger, { type: 'offer', manifest }),
      /at most 65536 can be sent; split it/,
    )
  })

  it('needs a run to be entered first', async () => {
    const peer = await startPeer({ run: null })
    assert.throws(() => peer.mesh.subscribe(ledger), /No run has been entered yet/)
  })
})
