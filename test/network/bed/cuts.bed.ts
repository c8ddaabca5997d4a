// Cables that are cut, and links that are full.
import assert from 'node:assert/strict'
import { silenceMs } from '../../../src/core/deadlines.js'
import type { Host } from './bed.js'
import { MeshPeer, type Told } from './mesh-peer.js'
import { flockOn, onBed } from './on-bed.js'

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
    b.order({ do: 'fetch', from: [a.self] })
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

describe('A swarm whose every link of 20 Mbit/s is filled by bulk', () => {
  const bed = onBed()
  const flock = flockOn(bed)
  const MBIT = 20
  /** Share of a link that bulk fills at least: the rest is what the next request takes to come. */
  const FULL = 0.8

  it('misses no heartbeat, and elects another leader when the first is killed', async () => {
    bed().network('lan', '192.168.5')
    const names = ['anser', 'branta', 'cygnus']
    const hosts = names.map((name, i) => bed().host(name, 'lan', i + 2))
    for (const host of hosts) bed().rate(host, MBIT)
    const run = { membership: 'open', localSteps: 60, startPeers: 2, stop: { versions: 1_000_000 } }
    const file = flock().swarm('full', names, run)
    const start = (host: Host) => flock().start(host, host.name, ['peer', file])
    const [, ...rest] = hosts
    const [, last] = rest
    for (const host of hosts) if (host !== last) start(host)
    const leech = await MeshPeer.start(bed(), bed().host('leech', 'lan', 20), {
      mdns: true,
      reach: null,
      run: await flock().runOf('anser'),
    })
    /** Takes whatever the peer's link carries, from here on. */
    const fill = async (name: string) => {
      const { id } = await flock().next('listening', ({ peer }) => peer === name)
      // From then on it has what others may want.
      await flock().next('contributed', ({ peer }) => peer === name)
      await leech.heard('connected', ({ peer }) => peer === id)
      // Two at a time: while one begins, the other goes on.
      for (const _ of [1, 2])
        leech.order({ do: 'fetch', from: [id], name: { kind: 'corpus' }, times: 1_000_000 })
    }
    await Promise.all(['anser', 'branta'].map(fill))
    start(last)
    await fill(last.name)
    // Who misses a heartbeat within five seconds does not become a voter.
    await flock().next('voters', ({ voters, next }) => voters.length === 3 && next === null)
    const seconds = await full(hosts, 10)
    assert.deepEqual(
      flock()
        .of('leader')
        .map(({ leader }) => leader),
      ['anser'],
    )

    const since = flock().records.length
    const killedMs = performance.now()
    const atKill = rest.map((host) => bed().sent(host))
    await flock().kill('anser')
    const { leader, term } = await flock().next('leader', () => true, since)
    const electedMs = performance.now() - killedMs
    const meanwhile = filled(rest, atKill, killedMs)
    await flock().next('applied', (record) => record.term === term, since)
    console.log(
      `      links were full in 10 of ${seconds} s; ${leader} led ${Math.round(electedMs)} ms after the kill, with links full to ${percent(meanwhile)}`,
    )
    // Two voters are left, who may split their votes; nobody is given up as silent meanwhile.
    assert(electedMs < silenceMs, `it took ${Math.round(electedMs)} ms`)
    flock().assertKept()
  })

  /** Until every link was full in so many seconds. @returns how many seconds that took */
  async function full(hosts: readonly Host[], seconds: number): Promise<number> {
    for (let found = 0, all = 1; ; all++) {
      const [before, sinceMs] = [hosts.map((host) => bed().sent(host)), performance.now()]
      await passes(1)
      if (filled(hosts, before, sinceMs).every((share) => share > FULL) && ++found === seconds) return all
    }
  }

  /** Share of what each cable could carry since then. */
  const filled = (hosts: readonly Host[], before: readonly number[], sinceMs: number): number[] =>
    hosts.map((host, i) => {
      const seconds = (performance.now() - sinceMs) / 1000
      return (8 * (bed().sent(host) - before[i])) / (MBIT * 1e6 * seconds)
    })
  const percent = (shares: readonly number[]) =>
    shares.map((share) => `${Math.round(100 * share)} %`).join(', ')
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
