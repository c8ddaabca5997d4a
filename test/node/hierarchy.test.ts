// Whole peers in clusters under a swarm: clusters report, take in, and go on when the peer that speaks for them goes.
import assert from 'node:assert/strict'
import { giveOrder } from '../../src/node/orders.js'
import { peerPaths } from '../../src/store/run-paths.js'
import { type SwarmFile, swarmFileSchema } from '../../src/swarmfile/schema.js'
import { Nest, type RunningPeer, tinySwarm } from './peers.js'

const nest = new Nest()

function hierarchy(
  changes: Record<string, unknown>,
  peers: readonly (readonly [string, string])[],
): SwarmFile {
  const { run, name, clusters } = tinySwarm({
    startPeers: 1,
    hierarchy: { contributions: 2, codec: 'int8', outer: { bufferSize: 2, momentum: 0.3 } },
    ...changes,
  })
  return swarmFileSchema.parse({
    name,
    run,
    clusters,
    peers: peers.map(([peer, cluster]) => ({ name: peer, cluster })),
  })
}

/** Of the swarm above, or of a cluster's own. */
const ofSwarm = (peer: RunningPeer, swarm: string | undefined) =>
  peer.records.filter((record) => record.swarm === swarm)

async function addressOf(peer: RunningPeer): Promise<string> {
  const [address] = (await peer.next('listening')).addresses
  return address
}

/** What each version of a swarm is, the same at whoever made it. */
function assertOneDigestEach(peers: readonly RunningPeer[], swarm: string | undefined): number {
  const digests = new Map<number, string>()
  for (const peer of peers)
    for (const record of ofSwarm(peer, swarm)) {
      if (record.type !== 'digest' || record.stateDigest === null) continue
      const known = digests.get(record.version) ?? record.stateDigest
      assert.equal(record.stateDigest, known, `version ${record.version} of ${swarm ?? 'the swarm above'}`)
      digests.set(record.version, known)
    }
  return digests.size
}

describe('Two clusters under a swarm', function () {
  this.timeout(120_000)
  beforeEach(() => nest.open())
  afterEach(() => nest.close())

  it('report to it, take in what it makes of that, and end when it ends', async () => {
    const swarm = hierarchy({ stop: { versions: 16 } }, [
      ['anser', 'north'],
      ['branta', 'south'],
    ])
    const anser = nest.start({ name: 'anser', founder: true, swarm })
    const branta = nest.start({ name: 'branta', bootstrap: [await addressOf(anser)], swarm })
    for (const peer of [anser, branta]) assert.equal((await peer.ended).kind, 'finished')
    const [finished] = ofSwarm(anser, undefined).filter(({ type }) => type === 'run-finished')
    assert.ok(finished.type === 'run-finished' && finished.versions >= 16)
    for (const [peer, cluster] of [
      [anser, 'north'],
      [branta, 'south'],
    ] as const) {
      const taken = ofSwarm(peer, cluster).filter(
        (record) => record.type === 'merged' && record.above !== null,
      )
      assert.ok(taken.length > 0, `${cluster} took in a theta of the swarm above`)
    }
    const workers = new Set(
      anser.of('applied').flatMap(({ swarm: of, worker }) => (of === undefined ? [worker] : [])),
    )
    assert.deepEqual([...workers].sort(), ['north', 'south'])
    assert.ok(assertOneDigestEach([anser, branta], undefined) >= 16)
  })

  it('go on when the leader of one, which leads the swarm above as well, is stopped', async () => {
    const swarm = hierarchy({ stop: { versions: 100_000 } }, [
      ['anser', 'north'],
      ['anas', 'north'],
      ['aythya', 'north'],
      ['branta', 'south'],
    ])
    // What counts is who votes and leads, which takes its time however fast they train.
    const slowdown = 16
    const anser = nest.start({ name: 'anser', founder: true, swarm, slowdown })
    const bootstrap = [await addressOf(anser)]
    const [anas, aythya, branta] = ['anas', 'aythya', 'branta'].map((name) =>
      nest.start({ name, bootstrap, swarm, slowdown }),
    )
    const three = (of: string | undefined) =>
      anser.next(
        'voters',
        (record) => record.swarm === of && record.voters.length === 3 && record.next === null,
      )
    await Promise.all([three('north'), three(undefined)])
    await branta.next('merged', ({ above }) => above !== null)
    assert.deepEqual(await anser.stop(), { kind: 'stopped' })
    const others = [anas, aythya, branta]
    const before = Math.max(
      ...anser.of('applied').map((record) => (record.swarm === undefined ? record.version : 0)),
    )
    const goesOn = (worker: string) =>
      Promise.race(
        others.map((peer) =>
          peer.next(
            'applied',
            (record) => record.swarm === undefined && record.worker === worker && record.version > before,
          ),
        ),
      )
    // Both clusters report to whoever leads above now: the one that lost its leader, too.
    await Promise.all([goesOn('north'), goesOn('south')])
    assertOneDigestEach([anser, ...others], undefined)
    assertOneDigestEach([anser, ...others], 'north')
  })
})

describe('A peer that joins a hierarchical run with no file', function () {
  this.timeout(120_000)
  beforeEach(() => nest.open())
  afterEach(() => nest.close())

  /** North and south, with nothing but the address of the one in the south to go by. */
  async function begun(): Promise<{ readonly southern: string; readonly branta: RunningPeer }> {
    const swarm = hierarchy({ stop: { versions: 100_000 } }, [
      ['anser', 'north'],
      ['branta', 'south'],
    ])
    const anser = nest.start({ name: 'anser', founder: true, swarm })
    const branta = nest.start({ name: 'branta', bootstrap: [await addressOf(anser)], swarm })
    const [southern] = (await branta.next('listening')).addresses
    await branta.next('leader', ({ swarm: of }) => of === 'south')
    return { southern, branta }
  }

  const trains = (leader: RunningPeer, worker: string, cluster: string) =>
    leader.next('applied', (record) => record.swarm === cluster && record.worker === worker)

  it('trains in the cluster of the member that answers it, and says so', async () => {
    const { southern, branta } = await begun()
    const cygnus = nest.start({ name: 'cygnus', bootstrap: [southern] })
    const { message } = await cygnus.next('warning', (record) => record.message.includes('cluster'))
    assert.match(
      message,
      /goes to cluster south, that of the member .*; --cluster chooses among north, south\./,
    )
    assert.equal((await cygnus.next('run-started')).cluster, 'south')
    await trains(branta, 'cygnus', 'south')
  })

  it('trains in the cluster that it asks for, and goes on there when it is started again', async () => {
    const { southern } = await begun()
    const start = (resume: boolean, cluster: string | null) =>
      nest.start({ name: 'cygnus', bootstrap: [southern], cluster, resume })
    const first = start(false, 'north')
    assert.equal((await first.next('run-started')).cluster, 'north')
    await first.next('contributed', ({ swarm }) => swarm === 'north')
    await first.stop()
    await assert.rejects(start(true, 'south').ended, /cygnus was in cluster north, and what it keeps/)
    const again = start(true, null)
    assert.equal((await again.next('run-started')).cluster, 'north')
    await again.next('contributed', ({ swarm }) => swarm === 'north')
  })

  it('is told the clusters of the run where it asks for another', async () => {
    const { southern } = await begun()
    const cygnus = nest.start({ name: 'cygnus', bootstrap: [southern], cluster: 'west' })
    await assert.rejects(cygnus.ended, /cluster west is not one of the run's: north, south/)
  })
})

describe('A peer that a voter above the clusters has shut out', function () {
  this.timeout(60_000)
  beforeEach(() => nest.open())
  afterEach(() => nest.close())

  it('is let go by its own cluster, which the voter is not in, and is taken in by none', async () => {
    const swarm = hierarchy({ stop: { versions: 100_000 } }, [
      ['anser', 'north'],
      ['branta', 'south'],
    ])
    const slowdown = 16
    const anser = nest.start({ name: 'anser', founder: true, swarm, slowdown })
    const bootstrap = [await addressOf(anser)]
    const branta = nest.start({ name: 'branta', bootstrap, swarm, slowdown })
    await branta.next('leader', ({ swarm: of }) => of === 'south')
    const southern = [await addressOf(branta)]
    const cygnus = nest.start({ name: 'cygnus', bootstrap: southern, cluster: 'south', slowdown })
    const { id } = await branta.next('joined', ({ name }) => name === 'cygnus')
    giveOrder(peerPaths(nest.folder('anser'), 'anser').orders, { shutOut: id, reason: 'its key was stolen' })
    const { reason } = await branta.next('left', ({ name }) => name === 'cygnus')
    assert.equal(reason, 'it was shut out of the swarm above')
    await assert.rejects(cygnus.ended, /shut out/)
    // The voter's own cluster has it from above, too: then its user is told.
    await anser.next(
      'refused',
      ({ swarm: of, what, from }) => of === 'north' && what === 'peer' && from === id,
    )
    const again = nest.start({ name: 'cygnus', bootstrap: southern, slowdown, resume: true })
    await assert.rejects(again.ended, /shut out/)
  })
})
