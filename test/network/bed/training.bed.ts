// Whole runs on networks that make it hard: over a relay alone, over a long way, and beside another run.
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import type { StatusReport } from '../../../src/cli/status-report.js'
import type { Host } from './bed.js'
import { flockOn, onBed } from './on-bed.js'

describe('A run whose founder sits behind a symmetric router', () => {
  const bed = onBed()
  const flock = flockOn(bed)

  it('takes in a peer behind another, by the ticket alone, and trains with it to the end', async () => {
    bed().network('wan', '45.0.0')
    const relay = bed().host('relay', 'wan', 10)
    const [north, south] = [home(1), home(2)]
    const address = await new Promise<string>((resolve) =>
      flock().run(relay, 'relay', ['relay', '--out', flock().folder('relay')], (text) => {
        const told = /\/ip4\/45\S+\/tcp\/4001\/p2p\/\S+/.exec(text)?.[0]
        if (told !== undefined) resolve(told)
      }),
    )
    const file = flock().swarm('routers', ['anser'], { startPeers: 2, stop: { versions: 40 } })
    flock().start(north, 'anser', ['peer', file, '--relay', address])
    flock().start(south, 'branta', ['join', await flock().ticketOf('anser'), '--role', 'worker'])
    const { versions } = await flock().next('run-finished')
    assert(versions >= 40)
    assert.deepEqual(workers(), ['anser', 'branta'])
    flock().assertKept()
  })

  function home(number: number): Host {
    bed().network(`home${number}`, `192.168.${number}`)
    bed().nat(`nat${number}`, 'symmetric', `home${number}`, 'wan', number)
    return bed().host(`peer${number}`, `home${number}`, 7)
  }

  const workers = () =>
    [
      ...new Set(
        flock()
          .of('applied')
          .map(({ worker }) => worker),
      ),
    ].sort()
})

describe('A run over a way of 150 ms in each direction', () => {
  const bed = onBed()
  const flock = flockOn(bed)

  it('trains to the end with voters on both sides, under the one leader', async () => {
    bed().network('near', '192.168.5')
    bed().network('far', '192.168.6')
    const [door] = bed().between('ocean', 'near', 'far', 1)
    const [founder, ...guests] = [
      bed().host('anser', 'far', 2),
      bed().host('branta', 'near', 3),
      bed().host('cygnus', 'near', 4),
    ]
    const proxy = fileURLToPath(new URL('delay-process.js', import.meta.url))
    bed().start(door, process.execPath, [proxy, '4001', founder.address, '4001', '150'])
    const file = flock().swarm('ocean', ['anser'], { localSteps: 60, startPeers: 3, stop: { versions: 60 } })
    const announced = ['--announce', `/ip4/${door.address}/tcp/4001`]
    flock().start(founder, 'anser', ['peer', file, ...announced])
    const ticket = await flock().ticketOf('anser')
    for (const guest of guests) flock().start(guest, guest.name, ['join', ticket])
    await flock().next('voters', ({ voters, next }) => voters.length === 3 && next === null)
    const roundTrips = await roundTripsFrom(founder)
    await flock().next('run-finished')
    assert.equal(roundTrips.length, 2)
    for (const ms of roundTrips) assert(ms >= 300, `${ms} ms there and back`)
    assert.deepEqual(
      new Set(
        flock()
          .of('applied')
          .map(({ worker }) => worker),
      ).size,
      3,
    )
    assert.deepEqual(
      flock()
        .of('leader')
        .map(({ leader }) => leader),
      ['anser'],
    )
    flock().assertKept()
  })

  /** To each of the others, once they were measured. */
  async function roundTripsFrom(host: Host): Promise<readonly number[]> {
    for (;;) {
      let text = ''
      const status = ['status', flock().folder(host.name), '--json']
      await flock().run(host, 'status', status, (line) => {
        text += line
      }).ended
      const { peers } = JSON.parse(text) as StatusReport
      const measured = peers.flatMap(({ path }) => path?.roundTripMs ?? [])
      if (measured.length === peers.length - 1) return measured
    }
  }
})

describe('Two runs on one network that are open to everyone', () => {
  const bed = onBed()
  const flock = flockOn(bed)

  it('are found by mDNS alone, each by its own, and end without a word of each other', async () => {
    bed().network('lan', '192.168.5')
    const flocks = [
      ['anser', 'anas'],
      ['branta', 'bucephala'],
    ]
    const run = { membership: 'open', startPeers: 2, stop: { versions: 16 } }
    const ends = flocks.flatMap((names, i) => {
      const file = flock().swarm(`run${i}`, names, { ...run, seed: i })
      return names.map((name, j) => {
        const host = bed().host(name, 'lan', 10 * i + j + 2)
        return flock().start(host, name, ['peer', file, '--name', name]).ended
      })
    })
    for (const { code, stderr } of await Promise.all(ends)) assert.equal(code, 0, stderr)
    const runs = await Promise.all(
      flocks.map((names) => Promise.all(names.map((name) => flock().runOf(name)))),
    )
    for (const [one, other] of runs) assert.equal(one, other)
    assert.notEqual(runs[0][0], runs[1][0])
    for (const names of flocks) {
      const own = flock().records.filter(({ peer }) => names.includes(peer))
      const told = (key: 'worker' | 'name' | 'leader') =>
        new Set(own.flatMap((record) => (key in record ? [(record as never)[key] as string] : [])))
      for (const name of told('worker')) assert(names.includes(name), `${name} works in the run of ${names}`)
      assert.deepEqual([...told('worker')].sort(), [...names].sort())
    }
  })
})
