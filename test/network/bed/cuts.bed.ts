// Cables that are cut, and links that are full.
import assert from 'node:assert/strict'
import type { Host } from './bed.js'
import { MeshPeer, type Told } from './mesh-peer.js'
import { onBed } from './on-bed.js'

describe('Peers whose cable is cut', () => {
  const bed = onBed()

  async function pair(): Promise<{ hosts: Host[]; a: MeshPeer; b: MeshPeer }> {
    bed().network('lan', '192.168.5')
    const hosts = [bed().host('a', 'lan', 2), bed().host('b', 'lan', 3)]
    const [a, b] = await Promise.all(hosts.map((host) => MeshPeer.start(bed(), host, { mdns: true })))
    await a.reaches(b, 'lan')
    await b.reaches(a, 'lan')
    return { hosts, a, b }
  }

  for (const seconds of [5, 60]) {
    it(`for ${seconds} s speak again soon after, by themselves`, async () => {
      const { hosts, a, b } = await pair()
      bed().cut(hosts[1])
      await passes(seconds)
      bed().heal(hosts[1])
      const healedMs = performance.now()
      await a.reaches(b, 'lan')
      await heardAgain(a, b)
      await heardAgain(b, a)
      console.log(`      heard ${Math.round(performance.now() - healedMs)} ms after it was put back`)
      const lost = [a, b].map(({ told }) => told.filter(({ what }) => what === 'disconnected').length)
      // What is silent for 20 s is given up; a short cut is bridged by TCP.
      assert.deepEqual(
        lost.map((times) => times > 0),
        seconds > 20 ? [true, true] : [false, false],
      )
    })
  }
})

describe('A link of 20 Mbit/s', () => {
  const bed = onBed()

  it('lets control messages through while a transfer fills it', async () => {
    bed().network('lan', '192.168.5')
    const [near, far] = [bed().host('a', 'lan', 2), bed().host('b', 'lan', 3)]
    const [a, b] = await Promise.all([near, far].map((host) => MeshPeer.start(bed(), host, { mdns: true })))
    bed().rate(far, 20)
    await b.reaches(a, 'lan')
    await a.reaches(b, 'lan')
    b.order({ do: 'fetch', from: a.self, bytes: 0 })
    const delays: number[] = []
    let done = false
    const fetched = b.heard('fetched').then((told) => {
      done = true
      return told
    })
    // Well under way before the first.
    await passes(1)
    for (let count = 1; !done && count <= 40; count++) {
      const beganMs = performance.now()
      a.order({ do: 'send', peer: b.self, count: 1 })
      const isNext = () => b.told.filter(({ what }) => what === 'message').length >= count
      await b.heard('message', isNext)
      delays.push(performance.now() - beganMs)
      await passes(0.1)
    }
    const { ms } = await fetched
    delays.sort((one, other) => one - other)
    const [half, most] = [delays[delays.length >> 1], delays.at(-1) as number]
    console.log(
      `      16 MiB in ${Math.round(ms as number)} ms; a message meanwhile took ${Math.round(half)} ms, ${Math.round(most)} ms at most`,
    )
    // The first election timeout is longer.
    assert(most < 2_000)
  })
})

/** A cut lasts as long as it lasts: this is no wait for something to happen. */
const passes = (seconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, seconds * 1000))

/** Sends until the other has heard: what is sent into a cut may be lost. */
async function heardAgain(from: MeshPeer, to: MeshPeer): Promise<void> {
  const since = to.told.length
  const isFrom = (told: Told) => told.from === from.self
  const knock = setInterval(() => from.order({ do: 'send', peer: to.self, count: 1 }), 200)
  await to.heard('message', isFrom, since)
  clearInterval(knock)
}
