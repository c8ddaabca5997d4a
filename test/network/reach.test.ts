// Ways between networks, as far as one machine shows them: addresses and paths, STUN, relays, introductions.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { generateIdentity } from '../../src/network/identity.js'
import { keyOf } from '../../src/network/reach/dht.js'
import { PathMeasures } from '../../src/network/reach/path-measures.js'
import { callOrder, pathKind, reachBy } from '../../src/network/reach/paths.js'
import { RelayBudget } from '../../src/network/reach/relay-budget.js'
import { createRelayNode, type RelayNode } from '../../src/network/reach/relay-node.js'
import { bindingAnswer, startStun } from '../../src/network/reach/stun.js'
import { ticketAddresses } from '../../src/network/reach/ticket-addresses.js'
import { responderAt } from '../../src/network/reach/webrtc.js'
import { closePeers, join, numbered, OTHER_RUN, payloadOf, RUN, startPeer, until } from './peers.js'

const A = '12D3KooWATcTB9VkZi8x498PiRVc5QruTwWCYxSwgywqBgNaguj7'
const relayed = `/ip4/45.0.0.1/tcp/1/p2p/${A}/p2p-circuit`

describe('A path', () => {
  it('is told from the address: of the network here, public, through routers, by relay', () => {
    const kinds = {
      '/ip4/192.168.1.7/tcp/1': 'lan',
      '/ip4/10.1.2.3/tcp/1/ws': 'lan',
      '/ip4/172.31.0.1/tcp/1': 'lan',
      '/ip6/fe80::1/tcp/1': 'lan',
      '/ip4/127.0.0.1/tcp/1': 'lan',
      '/ip4/172.32.0.1/tcp/1': 'direct',
      '/ip4/45.0.0.1/tcp/1': 'direct',
      '/dns4/attic.example.org/tcp/443/tls/ws': 'direct',
      [relayed]: 'relayed',
      [`${relayed}/webrtc`]: 'punched',
      [`/webrtc/p2p/${A}`]: 'punched',
    }
    for (const [address, kind] of Object.entries(kinds)) {
      assert.equal(pathKind(multiaddr(address)), kind, address)
    }
  })

  it('to a peer is there from anywhere by a public address or a relay, from its network by a private one', () => {
    assert.equal(reachBy(['/ip4/10.0.0.1/tcp/1', relayed, '/dns4/x.org/tcp/1']), 'public')
    assert.equal(reachBy(['/ip4/127.0.0.1/tcp/1', '/ip4/10.0.0.1/tcp/1', relayed]), 'relayed')
    assert.equal(reachBy(['/ip4/127.0.0.1/tcp/1', '/ip4/10.0.0.1/tcp/1', 'nonsense']), 'lan')
    assert.equal(reachBy(['/ip4/127.0.0.1/tcp/1']), 'none')
  })

  it('to each address is tried once, whatever the order', () => {
    const some = [
      '/ip4/10.9.9.9/tcp/1',
      relayed,
      '/ip4/45.0.0.2/tcp/1',
      '/ip4/127.0.0.1/tcp/1',
      '/dns4/x.org/tcp/1',
    ]
    fc.assert(
      fc.property(fc.shuffledSubarray(some), fc.option(fc.constantFrom(...some)), (addresses, worked) => {
        const order = callOrder(addresses, worked).map(({ address }) => address)
        assert.deepEqual([...order].sort(), [...addresses].sort())
        if (worked !== null && addresses.includes(worked)) assert.equal(order[0], worked)
        // A relay answers for sure, networks of others do not.
        if (addresses.includes(some[0]) && addresses.includes(relayed) && worked !== some[0]) {
          assert(order.indexOf(relayed) < order.indexOf(some[0]))
        }
      }),
    )
  })

  it('carries what its best second of the last minute did', () => {
    let nowMs = 0
    const measures = new PathMeasures(() => nowMs)
    const peer = A as never
    assert.equal(measures.bytesPerSecond(peer), null)
    measures.passed(peer, 300)
    measures.passed(peer, 200)
    nowMs = 1_000
    measures.passed(peer, 100)
    assert.equal(measures.bytesPerSecond(peer), 500)
    nowMs = 61_500
    assert.equal(measures.bytesPerSecond(peer), 100)
  })
})

describe('A ticket', () => {
  const lan = Array.from({ length: 9 }, (_, i) => `/ip4/192.168.${i}.2/tcp/1`)
  const others = ['/ip4/127.0.0.1/tcp/1', '/dns4/attic.example.org/tcp/1', relayed]

  it('names an address of every kind, however many networks the machine is on', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([...lan, ...others]), (addresses) => {
        const named = ticketAddresses([...addresses, ...addresses])
        assert.equal(named.length, Math.min(6, addresses.length))
        assert.equal(new Set(named).size, named.length)
        for (const other of others) assert.equal(named.includes(other), addresses.includes(other))
      }),
    )
  })
})

describe('A STUN responder', () => {
  const request = (transaction: Uint8Array) =>
    new Uint8Array([0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, ...transaction])
  const transactions = fc.uint8Array({ minLength: 12, maxLength: 12 })

  it('tells address and port, hidden from routers that rewrite them', () => {
    fc.assert(
      fc.property(transactions, fc.ipV4(), fc.nat(65535), (transaction, address, port) => {
        const answer = bindingAnswer(request(transaction), address, port)
        assert(answer !== null)
        assert.deepEqual([...answer.subarray(0, 4)], [1, 1, 0, 12])
        assert.deepEqual(answer.subarray(8, 20), transaction)
        const view = new DataView(answer.buffer)
        assert.equal(view.getUint16(26) ^ 0x2112, port)
        const word = (view.getUint32(28) ^ 0x2112a442) >>> 0
        assert.equal([24, 16, 8, 0].map((bits) => (word >>> bits) & 255).join('.'), address)
      }),
    )
  })

  it('says nothing to what is no binding request', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        assert.equal(bindingAnswer(bytes, '10.0.0.1', 5), null)
      }),
    )
    const answer = bindingAnswer(request(new Uint8Array(12)), '10.0.0.1', 5)
    assert.equal(bindingAnswer(answer as Uint8Array, '10.0.0.1', 5), null)
  })

  it('answers over UDP', async () => {
    const responder = await startStun(0)
    const socket = createSocket('udp4')
    socket.send(request(new Uint8Array(12)), responder.port, '127.0.0.1')
    const [answer] = (await once(socket, 'message')) as [Buffer]
    assert.equal(answer.readUInt16BE(26) ^ 0x2112, socket.address().port)
    socket.close()
    responder.close()
  })

  it('is found at the address of a relay, on the port of the same number', () => {
    assert.equal(responderAt(multiaddr(`/ip4/45.0.0.1/tcp/4001/p2p/${A}`)), 'stun:45.0.0.1:4001')
    assert.equal(
      responderAt(multiaddr('/dns4/relay.example.org/tcp/443/tls/ws')),
      'stun:relay.example.org:443',
    )
    assert.equal(responderAt(multiaddr('/ip6/2001:db8::1/tcp/4001')), null)
  })
})

describe('A budget', () => {
  it('lets no more pass in the long run than it has, in pieces of any size', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 50_000 }), { minLength: 20, maxLength: 60 }),
        (pieces) => {
          let nowMs = 0
          const budget = new RelayBudget(10_000, () => nowMs)
          for (const piece of pieces) nowMs += budget.take(piece)
          const total = pieces.reduce((sum, piece) => sum + piece, 0)
          assert(nowMs >= (total / 10_000) * 1000 - 250 - 1e-6)
          assert(nowMs <= (total / 10_000) * 1000 + 1e-6)
        },
      ),
    )
  })
})

describe('A run in the hash table', () => {
  it('has a key of its own', () => {
    assert.equal(keyOf(RUN).toString(), keyOf(RUN).toString())
    assert.notEqual(keyOf(RUN).toString(), keyOf(OTHER_RUN).toString())
  })
})

describe('A relay', () => {
  const relays: RelayNode[] = []
  afterEach(async () => {
    await closePeers()
    for (const relay of relays.splice(0)) await relay.close()
  })

  async function startRelay(bytesPerSecond: number, psk: Uint8Array | null = null): Promise<RelayNode> {
    const relay = await createRelayNode({
      privateKey: await generateIdentity(),
      listen: ['/ip4/127.0.0.1/tcp/0'],
      announce: null,
      relays: [],
      bytesPerSecond,
      upnp: false,
      psk,
      log: () => {},
    })
    relays.push(relay)
    return relay
  }

  it('carries bulk for two peers that reach each other by it alone, no faster than it may', async () => {
    const relay = await startRelay(4e6)
    const options = {
      listen: [],
      reach: { relays: relay.addresses(), relayBytesPerSecond: null, upnp: false },
    }
    const donor = await startPeer(options)
    const asker = await startPeer(options)
    assert.equal(relay.count().places, 2)
    const bytes = payloadOf(2_000_000)
    donor.mesh.serve(() => bytes)
    await asker.mesh.dial(`${relay.addresses()[0]}/p2p-circuit/p2p/${donor.mesh.self}`)
    assert.deepEqual(
      asker.mesh.paths().map(({ kind }) => kind),
      ['relayed'],
    )
    const fetch = () => asker.mesh.fetch({ kind: 'theta', version: 0 }, [donor.mesh.self], null)
    // The burst and the windows on the way are used up by this.
    assert.deepEqual(await fetch(), bytes)
    const beganMs = performance.now()
    await fetch()
    // 2 MB at 4 MB/s take half a second; a direct path may have come up before the end.
    if (asker.mesh.paths()[0].kind === 'relayed') assert(performance.now() - beganMs > 300)
  })

  it('of a private network serves peers that have its key, and nobody else', async () => {
    const psk = new TextEncoder().encode(`/key/swarm/psk/1.0.0/\n/base16/\n${'5e'.repeat(32)}`)
    const relay = await startRelay(4e6, psk)
    const reach = { relays: relay.addresses(), relayBytesPerSecond: null, upnp: false }
    const inside = { listen: [], reach, psk }
    const [host, guest] = [await startPeer(inside), await startPeer(inside)]
    await startPeer({ listen: [], reach })
    assert.equal(relay.count().places, 2)
    await guest.mesh.dial(`${relay.addresses()[0]}/p2p-circuit/p2p/${host.mesh.self}`)
    await host.heard('connected', ({ peer }) => peer === guest.mesh.self)
    assert(guest.mesh.send(host.mesh.self, numbered(4)))
    await host.heard('message')
  })

  it('is no peer, and refuses an address that does not say who it is', async () => {
    const relay = await startRelay(1e6)
    const [address] = relay.addresses()
    const reach = { relays: [address], relayBytesPerSecond: null, upnp: false }
    const peer = await startPeer({ reach })
    await until(() => relay.count().peers === 1)
    assert.deepEqual(peer.mesh.peers(), [])
    assert(!peer.told.some(({ what }) => what === 'connected'))
    const nameless = address.replace(/\/p2p\/.*/, '')
    await assert.rejects(startPeer({ reach: { ...reach, relays: [nameless] } }), /does not say which peer/)
  })
})

describe('Peers that ask for others', () => {
  afterEach(closePeers)

  it('are told of them by a member, and call them', async () => {
    const [asker, member, third] = await Promise.all([startPeer(), startPeer(), startPeer()])
    await join(asker, member)
    member.mesh.tellPeers(() => [{ peer: third.mesh.self, addresses: third.mesh.addresses() }])
    await asker.mesh.askForPeers(member.mesh.self)
    await third.heard('connected', ({ peer }) => peer === asker.mesh.self)
    const call = asker.mesh.attempts().find(({ peer }) => peer === third.mesh.self)
    assert.deepEqual([call?.by, call?.outcome], ['exchange', 'connected'])
  })

  it('are told nothing where nobody tells, or by who holds them for strangers', async () => {
    const [asker, silent] = await Promise.all([startPeer(), startPeer({ run: OTHER_RUN })])
    await join(asker, silent)
    await asker.mesh.askForPeers(silent.mesh.self)
    silent.mesh.tellPeers(() => [{ peer: asker.mesh.self, addresses: ['/ip4/10.0.0.1/tcp/1'] }])
    // A message of another run.
    asker.mesh.send(silent.mesh.self, numbered(1))
    await silent.heard('refused')
    await asker.mesh.askForPeers(silent.mesh.self)
    assert.equal(asker.mesh.attempts().filter(({ by }) => by === 'exchange').length, 0)
  })
})
