// The search for a run: whom it asks, whom it believes, when it gives up.
import assert from 'node:assert/strict'
import { mock } from 'node:test'
import { type PeerId, runId } from '../../src/core/ids.js'
import { UserError } from '../../src/core/user-error.js'
import { Search } from '../../src/node/joining.js'
import type { PeerOptions } from '../../src/node/options.js'
import { Reporter } from '../../src/node/reporter.js'
import { sha256 } from '../../src/platform/sha256.js'
import type { HelloAnswer, Mesh } from '../../src/ports/mesh.js'
import { type Genesis, genesisText, runIdOf } from '../../src/swarmfile/genesis.js'
import { runSchema } from '../../src/swarmfile/schema.js'
import { alice, bob, fakeMesh } from './fakes.js'

const genesis: Genesis = {
  format: 1,
  name: 'trio',
  run: runSchema.parse({}),
  data: { content: 'a'.repeat(64), vocabulary: 256, trainTokens: 900, heldOutTokens: 100 },
  clusters: [{ name: 'lake' }],
  founder: alice,
  nonce: '1',
}
const welcome: HelloAnswer = {
  accepted: true,
  genesis: genesisText(genesis),
  leader: alice,
  leaderAddresses: [],
}
const refusal = (later: boolean): HelloAnswer => ({
  accepted: false,
  reason: 'the configurations differ',
  later,
})

const optionsWith = (changes: Partial<PeerOptions>) =>
  ({ swarm: null, run: null, name: 'carol', bootstrap: [], ...changes }) as PeerOptions
const searchWith = (changes: Partial<PeerOptions> = {}) =>
  new Search(optionsWith(changes), new Reporter('carol', []))
const running = new AbortController().signal

/** A mesh whose peers answer as given, and which remembers who was asked. */
function meshOf(answers: Partial<Record<PeerId, () => HelloAnswer>>, methods: Partial<Mesh> = {}) {
  const asked: PeerId[] = []
  const hello = async (peer: PeerId) => {
    asked.push(peer)
    return answers[peer]?.() ?? assert.fail(`${peer} is asked`)
  }
  return { asked, mesh: fakeMesh({ hello, call: () => {}, ...methods }) }
}
const settled = () => new Promise(setImmediate)

describe('The search for a run', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'setInterval'] }))
  afterEach(() => mock.timers.reset())

  it('ends with the first peer that lets it in, whatever others said', async () => {
    const { mesh } = meshOf({ [bob]: () => refusal(false), [alice]: () => welcome })
    const search = searchWith()
    const found = search.run(mesh, running)
    search.greet(mesh, bob)
    await settled()
    search.greet(mesh, alice)
    assert.deepEqual((await found).genesis, genesis)
  })

  it('tells of which cluster the member is that answered, where clusters are swarms of their own', async () => {
    const { mesh } = meshOf({ [bob]: () => ({ ...welcome, cluster: 'lake' }) })
    const search = searchWith()
    const found = search.run(mesh, running)
    search.greet(mesh, bob)
    assert.equal((await found).cluster, 'lake')
  })

  it('calls the leader where the peer that answered knows it', async () => {
    const called: unknown[] = []
    const leaderAddresses = ['/ip4/10.0.0.7/tcp/4001']
    const call: Mesh['call'] = (peer, addresses) => called.push(peer, addresses)
    const { mesh } = meshOf({ [bob]: () => ({ ...welcome, leaderAddresses }) }, { call })
    const search = searchWith()
    const found = search.run(mesh, running)
    search.greet(mesh, bob)
    await found
    assert.deepEqual(called, [alice, leaderAddresses])
  })

  it('ends with a peer of the run also where that one knows no leader', async () => {
    const { mesh } = meshOf({ [bob]: () => ({ ...welcome, leader: null }) })
    const search = searchWith()
    const found = search.run(mesh, running)
    search.greet(mesh, bob)
    assert.deepEqual((await found).genesis, genesis)
  })

  it('asks a peer that is in no run yet again, until it is', async () => {
    let times = 0
    const { mesh, asked } = meshOf({ [alice]: () => (++times < 3 ? refusal(true) : welcome) })
    const search = searchWith()
    const found = search.run(mesh, running)
    search.greet(mesh, alice)
    for (let i = 0; i < 3; i++) {
      await settled()
      mock.timers.tick(1_000)
    }
    assert.deepEqual((await found).genesis, genesis)
    assert.equal(asked.length, 3)
  })

  it('does not ask a peer again that is gone', async () => {
    const { mesh, asked } = meshOf({ [alice]: () => refusal(true) })
    const search = searchWith()
    search.greet(mesh, alice)
    await settled()
    search.lost(alice)
    mock.timers.tick(60_000)
    await settled()
    assert.equal(asked.length, 1)
  })

  it('ends with the reason when the peer that it was told to call refuses it', async () => {
    const { mesh } = meshOf({ [alice]: () => refusal(false) }, { dial: () => Promise.resolve(alice) })
    await assert.rejects(
      searchWith({ bootstrap: ['/ip4/10.0.0.7/tcp/4001'] }).run(mesh, running),
      (error) =>
        error instanceof UserError && error.kind === 'refused' && /configurations differ/.test(error.message),
    )
  })

  it('joins the run of its ticket and no other', async () => {
    const { mesh } = meshOf({ [alice]: () => welcome })
    const other = searchWith({ run: runId('f'.repeat(64)) })
    let found = false
    const stop = new AbortController()
    const looking = other.run(mesh, stop.signal).then(() => (found = true))
    other.greet(mesh, alice)
    await settled()
    assert.equal(found, false)
    stop.abort()
    await assert.rejects(looking, { name: 'AbortError' })
    const same = searchWith({ run: runIdOf(genesis, sha256) })
    const joined = same.run(mesh, running)
    same.greet(mesh, alice)
    assert.deepEqual(await joined, { genesis, cluster: null })
  })

  it('gives up a minute after calling in vain, saying whom and why', async () => {
    const dial = () => Promise.reject(new Error('connection refused'))
    const search = searchWith({ bootstrap: ['/ip4/10.0.0.7/tcp/4001'] }).run(fakeMesh({ dial }), running)
    search.catch(() => {})
    await settled()
    mock.timers.tick(60_000)
    await assert.rejects(search, /within 60 s: \/ip4\/10\.0\.0\.7\/tcp\/4001: connection refused/)
  })

  it('says then of every address that was called where it came from, and why it failed', async () => {
    const dial = () => Promise.reject(new Error('connection refused'))
    const failed = { outcome: 'failed', reason: 'nobody answered in time', ms: 3000 } as const
    const attempts = () => [
      { peer: alice, address: '/ip4/10.0.0.8/tcp/1', by: 'mdns', ...failed } as const,
      { peer: null, address: '/ip4/10.0.0.9/tcp/1', by: 'dht', ...failed } as const,
    ]
    const given = { bootstrap: ['/ip4/10.0.0.7/tcp/4001'] }
    const search = searchWith(given).run(fakeMesh({ dial, attempts }), running)
    search.catch(() => {})
    await settled()
    mock.timers.tick(60_000)
    await assert.rejects(search, (error: Error) => {
      assert.deepEqual(error.message.split('\n').slice(1), [
        `  /ip4/10.0.0.8/tcp/1 of ${alice} (found on this network) failed after 3000 ms: nobody answered in time`,
        '  /ip4/10.0.0.9/tcp/1 (found in the hash table) failed after 3000 ms: nobody answered in time',
      ])
      return true
    })
  })

  it('ends at once with a mistake in the address', async () => {
    const dial = () =>
      Promise.reject(new UserError('usage', 'nonsense is not an address', 'give a multiaddr'))
    await assert.rejects(
      searchWith({ bootstrap: ['nonsense'] }).run(fakeMesh({ dial }), running),
      /not an address/,
    )
  })
})
