// The parts of the network that need no network: credits, queues, scores, gate, signs of life, reconnecting.
import assert from 'node:assert/strict'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Multiaddr } from '@multiformats/multiaddr'
import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { type PeerId, peerId, runId } from '../../src/core/ids.js'
import { WINDOW_BYTES, Window } from '../../src/network/bulk/credit.js'
import { Liveness } from '../../src/network/direct/liveness.js'
import { Gate } from '../../src/network/door/gate.js'
import { Queue } from '../../src/network/flow/queue.js'
import { SmallMessageCache } from '../../src/network/gossip/cache.js'
import { isTopicOf, topicName } from '../../src/network/gossip/topics.js'
import { Rejoin } from '../../src/network/reach/rejoin.js'
import { CUT_OFF_AT, Scores } from '../../src/network/scores.js'
import type { Attempt } from '../../src/ports/paths.js'
import { OTHER_RUN, RUN } from './peers.js'

const [LOW, MIDDLE, HIGH] = [
  '12D3KooW9pNAk8aiBuGVQtWRdbkLmo5qVL3e2h5UxbN2Nz9ttwiw',
  '12D3KooWGRUyYqJuKZbGYnVAGNvKYcWv6ATVK8fmCm3V4mT1mWcL',
  '12D3KooWSoLzampfxc4t3sy9z7yq1Cgzbi7zGXpV7nvt5hfeKUhR',
].map(peerId)

describe('A credit window', () => {
  it('asks for no more than its size and a chunk, and always for something once all has arrived', () => {
    const chunk = 256 * 1024
    const frames = fc.array(
      fc.record({ bytes: fc.integer({ min: 1, max: chunk }), ms: fc.integer({ min: 0, max: 300 }) }),
    )
    fc.assert(
      fc.property(frames, (arrivals) => {
        let nowMs = 0
        const window = new Window(() => nowMs)
        for (const { bytes, ms } of arrivals) {
          while (window.hasRoom) window.asked(chunk)
          assert(window.outstanding >= chunk && window.outstanding < WINDOW_BYTES.most + chunk)
          nowMs += ms
          window.received(bytes)
          assert(window.patienceMs >= 10_000 && window.patienceMs <= 60_000)
        }
        window.withdrawn(window.outstanding)
        assert(window.hasRoom)
      }),
    )
  })

  it('shrinks to 400 ms of a slow link and grows with a fast one', () => {
    const settled = (bytesPerSecond: number) => {
      let nowMs = 0
      const window = new Window(() => nowMs)
      window.asked(2 ** 30)
      for (let i = 0; i < 400; i++) {
        nowMs += (65536 / bytesPerSecond) * 1000
        window.received(65536)
      }
      return window.size
    }
    assert(settled(1.25e6) <= 525_000)
    assert(settled(500e6) > 6e6)
  })

  it('says of a donor that falls silent that it brings ever less', () => {
    let nowMs = 0
    const window = new Window(() => nowMs)
    window.asked(2e6)
    nowMs += 100
    window.received(1e6)
    assert.equal(window.rate(1e5), 1e7)
    nowMs += 1000
    assert.equal(window.rate(1e5), 1e5)
  })
})

describe('A queue', () => {
  it('keeps what is left when its reader goes, in order, for the next', async () => {
    const queue = new Queue<number>(3)
    assert.deepEqual(
      [1, 2, 3, 4].map((item) => queue.push(item)),
      [true, true, true, false],
    )
    let live = true
    const read: number[] = []
    for await (const item of queue.while(() => live)) {
      read.push(item)
      live = read.length < 2
    }
    queue.end()
    assert.equal(queue.push(5), false)
    assert.equal(queue.finished, false)
    for await (const item of queue.while(() => true)) read.push(item)
    assert.deepEqual(read, [1, 2, 3])
    assert(queue.finished)
  })

  it('lets a waiting reader go when it is woken and no longer live', async () => {
    const queue = new Queue<number>(3)
    let live = true
    const read = queue.while(() => live).next()
    live = false
    queue.wake()
    assert.equal((await read).done, true)
  })
})

describe('A score', () => {
  it('falls with each offence, is forgiven with time, and cuts off a habit', () => {
    let nowMs = 0
    const scores = new Scores(() => nowMs)
    for (let i = 1; i < CUT_OFF_AT; i++) assert.equal(scores.offend(LOW), false)
    assert.equal(scores.offend(LOW), true)
    assert.equal(scores.of(HIGH), 0)
    nowMs = 60_000
    assert.equal(scores.of(LOW), 5)
    nowMs = 20 * 60_000
    assert.equal(scores.of(LOW), 0)
  })
})

describe('The gate', () => {
  it('calls no peer of another run until it has become ours', () => {
    const gate = new Gate(() => 0)
    gate.setForeign(LOW, 'another run')
    assert(!gate.welcomes(LOW))
    assert.equal(gate.gater.denyInboundEncryptedConnection?.(peerIdFromString(LOW), null as never), false)
    gate.setOurs(LOW)
    assert(gate.welcomes(LOW))
  })

  it('keeps a banned peer out, both ways, for five minutes', () => {
    let nowMs = 0
    const gate = new Gate(() => nowMs)
    gate.ban(LOW)
    assert(!gate.welcomes(LOW))
    const id = peerIdFromString(LOW)
    assert.equal(gate.gater.denyInboundEncryptedConnection?.(id, null as never), true)
    assert.equal(gate.gater.denyDialPeer?.(id), true)
    nowMs = 5 * 60_000
    assert(gate.welcomes(LOW))
  })
})

describe('Signs of life', () => {
  function watched() {
    const seen: string[] = []
    const state = { nowMs: 0, gossips: true }
    const liveness = new Liveness(
      {
        peers: () => [LOW],
        beat: () => seen.push('beat'),
        gossips: () => state.gossips,
        drop: (_peer, reason) => seen.push(reason),
      },
      () => state.nowMs,
    )
    return { seen, state, liveness }
  }

  it('are sent, and a peer that gives none for 20 s is dropped', () => {
    const { seen, state, liveness } = watched()
    liveness.heard(LOW)
    for (state.nowMs = 5000; state.nowMs <= 25_000; state.nowMs += 5000) liveness.tick()
    assert.deepEqual(seen, ['beat', 'beat', 'beat', 'beat', 'nothing was heard of it for 20 s'])
  })

  it('keep a peer that is heard of', () => {
    const { seen, state, liveness } = watched()
    for (state.nowMs = 0; state.nowMs < 100_000; state.nowMs += 5000) {
      liveness.heard(LOW)
      liveness.tick()
    }
    assert.deepEqual(new Set(seen), new Set(['beat']))
  })

  it('include its gossip stream, which may be missing once while it is opened', () => {
    const { seen, state, liveness } = watched()
    state.gossips = false
    liveness.tick()
    state.gossips = true
    liveness.tick()
    state.gossips = false
    liveness.tick()
    liveness.tick()
    assert.deepEqual(seen.slice(0, 3), ['beat', 'beat', 'beat'])
    assert.match(seen[3], /gossip stream is gone/)
  })
})

describe('Reconnecting', () => {
  const address = (port: number) => multiaddr(`/ip4/127.0.0.1/tcp/${port}`)

  function calling({ foreign = [] as PeerId[], answers = true } = {}) {
    const dialled: string[] = []
    const attempts: Attempt[] = []
    let wake = () => {}
    const connected = new Set<PeerId>()
    const rejoin = new Rejoin({
      self: LOW,
      isConnected: (peer) => connected.has(peer),
      welcomes: (peer) => !foreign.includes(peer),
      isOwn: (text) => text.includes('/tcp/4001'),
      dial: async (address: Multiaddr) => {
        dialled.push(address.toString())
        wake()
        if (!answers) throw new Error('nobody is there')
      },
      attempted: (attempt) => attempts.push(attempt),
    })
    const calls = async (times: number) => {
      while (dialled.length < times) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      rejoin.close()
      return dialled
    }
    return { rejoin, connected, calls, attempts }
  }

  it('calls peers that are found, except those of other runs and those already there', async () => {
    const { rejoin, connected, calls } = calling({ foreign: [MIDDLE] })
    connected.add(peerId(`${HIGH}`.replace('SoLz', 'SoLy')))
    rejoin.found({ id: peerIdFromString(MIDDLE), multiaddrs: [address(1)] }, 'mdns')
    rejoin.found({ id: peerIdFromString(LOW), multiaddrs: [address(2)] }, 'mdns')
    rejoin.found({ id: peerIdFromString(HIGH), multiaddrs: [address(3)] }, 'mdns')
    assert.deepEqual(await calls(1), [`/ip4/127.0.0.1/tcp/3/p2p/${HIGH}`])
  })

  it('calls a peer that is needed at the addresses given that can be its own, and passes over the rest', async () => {
    const { rejoin, calls } = calling()
    const others = ['nonsense', `/ip4/127.0.0.1/tcp/6/p2p/${MIDDLE}`]
    rejoin.call(LOW, [address(5).toString()], 'exchange')
    rejoin.call(HIGH, [...others, address(7).toString()], 'exchange')
    const expected = `/ip4/127.0.0.1/tcp/7/p2p/${HIGH}`
    assert.deepEqual(await calls(2), [expected, expected])
  })

  it('calls at once where a new address is heard of, however long it had waited', async () => {
    const { rejoin, calls } = calling({ answers: false })
    rejoin.call(HIGH, [address(3).toString()], 'exchange')
    rejoin.call(HIGH, [address(4).toString()], 'exchange')
    assert.deepEqual(
      await calls(2),
      [3, 4].map((port) => `/ip4/127.0.0.1/tcp/${port}/p2p/${HIGH}`),
    )
  })

  it('calls again, at every address that is known, until the peer is there, and tells of each call', async () => {
    const { rejoin, calls, attempts } = calling({ answers: false })
    rejoin.learn(HIGH, [address(4).toString()])
    rejoin.found({ id: peerIdFromString(HIGH), multiaddrs: [address(3)] }, 'mdns')
    const both = [4, 3].map((port) => `/ip4/127.0.0.1/tcp/${port}/p2p/${HIGH}`)
    assert.deepEqual(await calls(4), [...both, ...both])
    const told = attempts.slice(0, 2).map(({ ms, ...rest }) => rest)
    const failed = { peer: HIGH, outcome: 'failed', reason: 'nobody is there' }
    assert.deepEqual(told, [
      { ...failed, address: both[0], by: 'itself' },
      { ...failed, address: both[1], by: 'mdns' },
    ])
  })

  it('begins where a peer answered last, comes to relays before networks of others, and never calls itself', async () => {
    const { rejoin, calls } = calling({ answers: false })
    const elsewhere = '/ip4/10.255.254.253/tcp/1'
    const relayed = `/ip4/45.0.0.1/tcp/2/p2p/${MIDDLE}/p2p-circuit`
    const open = '/ip4/45.0.0.2/tcp/3'
    const last = '/ip4/10.255.254.252/tcp/4'
    const own = '/ip4/127.0.0.1/tcp/4001'
    rejoin.reached(HIGH, last)
    rejoin.call(HIGH, [own, elsewhere, relayed, open], 'exchange')
    const expected = [last, open, relayed, elsewhere].map((text) => `${text}/p2p/${HIGH}`)
    assert.deepEqual(await calls(4), expected)
  })
})

describe('The gossip cache', () => {
  const id = (name: string) => ({ msgId: new TextEncoder().encode(name), msgIdStr: name })
  const topics = new Set(['ledger'])

  it('keeps small messages for some heartbeats, announces the newer, and never keeps chunks', () => {
    const cache = new SmallMessageCache(2, 3)
    cache.put(id('chunk'), { topic: 'ledger', data: new Uint8Array(300_000) })
    cache.put(id('entry'), { topic: 'ledger', data: new Uint8Array(300) })
    cache.put(id('other'), { topic: 'elsewhere', data: new Uint8Array(3) })
    assert.deepEqual(cache.getGossipIDs(topics), new Map([['ledger', [id('entry').msgId]]]))
    assert.equal(cache.getWithIWantCount('chunk', 'p'), null)
    assert.equal(cache.getWithIWantCount('entry', 'p')?.count, 1)
    assert.equal(cache.getWithIWantCount('entry', 'p')?.count, 2)
    cache.shift()
    cache.shift()
    assert.equal(cache.getGossipIDs(topics).size, 0)
    assert.equal(cache.getWithIWantCount('entry', 'q')?.count, 1)
    cache.shift()
    assert.equal(cache.size, 0)
  })
})

describe('Topics', () => {
  it('are those of the run; of any run while none is known', () => {
    const ledger = topicName(RUN, { kind: 'ledger' }, null)
    assert.equal(ledger, `skein/${RUN}/ledger`)
    assert.equal(topicName(RUN, { kind: 'gradients', cluster: 'east' }, null), `skein/${RUN}/gradients/east`)
    assert(isTopicOf(RUN, ledger))
    assert(isTopicOf(null, ledger))
    assert(!isTopicOf(OTHER_RUN, ledger))
    assert(!isTopicOf(runId('c'.repeat(64)), ledger))
    assert(!isTopicOf(null, 'weather'))
    assert(!isTopicOf(RUN, `skein/${RUN}/everything`))
  })
})
