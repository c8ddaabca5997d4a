// Meshes on real networks: who finds whom, and by which way.
import assert from 'node:assert/strict'
import type { Host } from './bed.js'
import { MeshPeer, type Told } from './mesh-peer.js'
import { onBed } from './on-bed.js'
import type { NatKind } from './tools.js'

describe('Peers', () => {
  const bed = onBed()

  it('on one network find each other by mDNS alone', async () => {
    bed().network('lan', '192.168.5')
    const hosts = [bed().host('a', 'lan', 2), bed().host('b', 'lan', 3)]
    const [a, b] = await Promise.all(
      hosts.map((host) => MeshPeer.start(bed(), host, { mdns: true, reach: null })),
    )
    await a.reaches(b, 'lan')
    await b.reaches(a, 'lan')
  })

  it('of two runs on one network never mix', async () => {
    bed().network('lan', '192.168.5')
    const runs = ['a', 'a', 'b', 'b'].map((letter) => letter.repeat(64))
    const hosts = runs.map((_, i) => bed().host(`h${i}`, 'lan', i + 2))
    const peers = await Promise.all(
      hosts.map((host, i) => MeshPeer.start(bed(), host, { mdns: true, reach: null, run: runs[i] })),
    )
    for (const [one, other] of [
      [0, 1],
      [2, 3],
    ])
      await peers[one].reaches(peers[other], 'lan')
    // Each has met both of the other run and been refused by one or refused it.
    for (const stranger of [2, 3]) {
      await Promise.race([refusal(peers[0], peers[stranger]), refusal(peers[stranger], peers[0])])
    }
    const others = (await peers[0].paths()).map(({ peer }) => peer)
    assert.deepEqual(others, [peers[1].self])
  })

  it('behind routers that keep ports find each other through a relay, and then directly', async () => {
    const { one, two } = await behindRouters('preserving')
    await one.reaches(two, 'punched')
    await two.reaches(one, 'punched')
    await speaks(one, two)
    await speaks(two, one)
    // Once what was under way had its time, the relayed connection is closed, and nobody is lost by that.
    assert.equal(one.told.filter(({ what }) => what === 'disconnected').length, 0)
  })

  it('behind symmetric routers reach each other by the relay', async () => {
    const { one, two } = await behindRouters('symmetric')
    const path = await one.reaches(two, 'relayed')
    assert.match(path.address, /p2p-circuit/)
    await speaks(one, two)
    await speaks(two, one)
    one.order({ do: 'fetch', from: [two.self] })
    const fetched = await one.heard('fetched')
    assert.equal(fetched.bytes, 16 * 2 ** 20)
    console.log(`      16 MiB by relay in ${Math.round(fetched.ms as number)} ms`)
  })

  it('behind doors reach each other all the same, by relay and then directly, and outsiders reach neither', async () => {
    const { relay, hub, one, two } = await behindRouters('preserving', 'swordfish')
    await one.reaches(two, 'punched')
    await two.reaches(one, 'punched')
    await speaks(one, two)
    const outsider = await MeshPeer.start(bed(), bed().host('outsider', 'wan', 20), {
      reach: { relays: [relay.addressOn(hub)], relayBytesPerSecond: null, upnp: false },
      password: 'marlin',
    })
    const told = one.told.length
    const { addresses } = await one.look()
    outsider.order({ do: 'call', peer: one.self, addresses })
    // Whoever called first, for a member may have found it in the hash table: both are turned away.
    await Promise.race([
      outsider.heard('log', ({ message }) => String(message).includes(`dropping ${one.self}`)),
      one.heard('log', ({ message }) => String(message).includes(`dropping ${outsider.self}`)),
    ])
    assert.deepEqual(await outsider.paths(), [])
    assert.deepEqual(
      one.told
        .slice(told)
        .filter(({ what, peer, from }) => what !== 'attempt' && [peer, from].includes(outsider.self)),
      [],
    )
  })

  /** Two peers that know of a relay and of the run, and nothing of each other. */
  async function behindRouters(kind: NatKind, password?: string) {
    bed().network('wan', '45.0.0')
    const hub = bed().host('relay', 'wan', 10)
    const relay = await MeshPeer.startRelay(bed(), hub, 100e6)
    const reach = { relays: [relay.addressOn(hub)], relayBytesPerSecond: null, upnp: false }
    const [one, two] = await Promise.all(
      [home(1), home(2)].map((host) => MeshPeer.start(bed(), host, { reach, password })),
    )
    return { relay, hub, one, two }

    function home(number: number): Host {
      bed().network(`home${number}`, `192.168.${number}`)
      bed().nat(`nat${number}`, kind, `home${number}`, 'wan', number)
      return bed().host(`peer${number}`, `home${number}`, 7)
    }
  }
})

const refusal = (peer: MeshPeer, other: MeshPeer) =>
  peer.heard('answer', (told) => told.peer === other.self && told.accepted === false)

/** Control messages arrive, all of them and in order. */
async function speaks(from: MeshPeer, to: MeshPeer): Promise<void> {
  const since = to.told.length
  from.order({ do: 'send', peer: to.self, count: 50 })
  const isLast = (told: Told) => (told.message as { version?: number }).version === 49
  await to.heard('message', (told) => told.from === from.self && isLast(told), since)
  const versions = to.told
    .slice(since)
    .filter(({ what, from: sender }) => what === 'message' && sender === from.self)
    .map(({ message }) => (message as { version: number }).version)
  assert.deepEqual(versions, [...Array(50).keys()])
}
