// Whole peers in clusters under a swarm: clusters report, take in, and go on when the peer that speaks for them goes.
import assert from 'node:assert/strict'
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
    const anser = nest.start({ name: 'anser', founder: true, swarm })
    const bootstrap = [await addressOf(anser)]
    const [anas, aythya, branta] = ['anas', 'aythya', 'branta'].map((name) =>
      nest.start({ name, bootstrap, swarm }),
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
