// As which peer a process comes back, and with what, from folders that lost something.
import assert from 'node:assert/strict'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { HardState } from '../../src/core/events.js'
import { emptyLedger } from '../../src/core/ledger.js'
import type { UserError } from '../../src/core/user-error.js'
import { identityOf } from '../../src/network/identity.js'
import { OuterStates } from '../../src/node/outer-states.js'
import { type Identity, takeIdentity } from '../../src/node/own-identity.js'
import { PeerDisk } from '../../src/node/peer-disk.js'
import { restoreReplica } from '../../src/node/restore.js'
import { saveSnapshot } from '../../src/store/snapshot.js'
import { saveWorkerRecord } from '../../src/store/worker-record.js'
import type { Genesis } from '../../src/swarmfile/genesis.js'
import { runSchema } from '../../src/swarmfile/schema.js'
import { outerOptions } from '../paper/made.js'
import { entry } from '../store/logs.js'
import { alice, contributionOf, exact } from './fakes.js'
import { folder, removeFolders } from './folders.js'

const genesis: Genesis = {
  format: 1,
  name: 'trio',
  run: runSchema.parse({}),
  data: { content: 'a'.repeat(64), vocabulary: 256, trainTokens: 900, heldOutTokens: 100 },
  clusters: [{ name: 'lake' }],
  founder: alice,
  nonce: '1',
}
const hard: HardState = { term: 3, vote: null, epoch: 0 }
const states = new OuterStates({ outer: outerOptions({}), compression: exact })

describe('A peer that starts', () => {
  let root = ''
  const open: PeerDisk[] = []
  let warnings: string[] = []

  /** Takes the folder as a process would. */
  async function start(
    kept: Genesis | null,
    how: Partial<Record<'resume' | 'canAsk' | 'hasMet', boolean>> = {},
  ): Promise<Identity> {
    for (const disk of open.splice(0)) await disk.close()
    const disk = new PeerDisk(root, 'bob')
    await disk.lock()
    open.push(disk)
    const told = { resume: kept !== null, canAsk: true, hasMet: false, ...how }
    return takeIdentity(disk, kept, told, (message) => warnings.push(message))
  }

  /** Saves a snapshot of version 0 with the ledger at this entry of term 1. */
  async function snapshotAt(index: number): Promise<void> {
    const ledger = { ...emptyLedger([100], alice), index, term: 1, version: index }
    await states.found(Float32Array.of(1, 2), ledger)
    const snapshot = await states.snapshot(index)
    assert.ok(snapshot !== undefined)
    await saveSnapshot(own('snapshots'), snapshot)
  }

  /** A replica whose log begins after `base` and has entries up to `last`. */
  async function replicaWith(base: number, last: number): Promise<Identity> {
    const identity = await start(null)
    const { log } = identity.replica
    await log.persist(hard, [])
    await log.compact({ index: base, term: 1 })
    for (let index = base + 1; index <= last; index++) await log.persist(null, [entry(index, 1)])
    return identity
  }

  const own = (name: string) => join(root, 'peers', 'bob', name)
  const held = (identity: Identity) => {
    assert.ok(identity.snapshot !== null)
    return restoreReplica(identity.replica, identity.snapshot, states, (message) => warnings.push(message))
  }

  beforeEach(async () => {
    root = await folder()
    warnings = []
  })
  afterEach(async () => {
    for (const disk of open.splice(0)) await disk.close()
    await removeFolders()
  })
  after(() => states.close())

  it('as a replica goes on as the same one from its newest snapshot and the log after it', async () => {
    const before = await replicaWith(4, 9)
    await snapshotAt(6)
    const after = await start(genesis)
    assert.deepEqual(after.key, before.key)
    const { base, log, ledger, hard: kept } = await held(after)
    assert.deepEqual([base.index, log.length, ledger.index], [4, 5, 6])
    assert.deepEqual(kept, hard)
    assert.deepEqual(warnings, [])
  })

  it('with a snapshot beyond its log begins the log after it, on the disk too', async () => {
    await replicaWith(4, 9)
    await snapshotAt(12)
    const { base, log } = await held(await start(genesis))
    assert.deepEqual([base.index, log.length], [12, 0])
    const { replica } = await start(genesis)
    assert.deepEqual([replica.held.base.index, replica.held.entries.length], [12, 0])
    assert.deepEqual(replica.held.hard, hard)
  })

  it('drops payloads that no entry of its log names', async () => {
    const { replica } = await replicaWith(0, 2)
    const { manifest, payload } = contributionOf([3, 4])
    await replica.payloads.put(manifest.payload, payload)
    await snapshotAt(2)
    const after = await start(genesis)
    assert.deepEqual((await held(after)).payloads, [])
    assert.deepEqual(await after.replica.payloads.list(), [])
  })

  const losses = [
    ['its log', 'journal', /log of this peer is lost/],
    ['its snapshots', 'snapshots', /no snapshot to go with/],
  ] as const
  for (const [what, name, why] of losses)
    it(`without ${what} comes as another peer and keeps what is left of the old one aside`, async () => {
      const before = await replicaWith(4, 9)
      await snapshotAt(6)
      await rm(own(name), { recursive: true })
      const after = await start(genesis)
      assert.notDeepEqual(after.key, before.key)
      assert.equal(after.snapshot, null)
      assert.ok(after.replica.isEmpty)
      assert.match(warnings[0], why)
      assert.ok((await readdir(own('aside-1'))).includes('key'))
    })

  it('whose snapshots are older than its log comes as another peer', async () => {
    const before = await replicaWith(8, 9)
    await snapshotAt(6)
    assert.notDeepEqual((await start(genesis)).key, before.key)
    assert.match(warnings[0], /begins at entry 9, and its newest snapshot ends at entry 6/)
  })

  it('that founded the run and has no trace of its log comes as another peer', async () => {
    const { key } = await start(null)
    const after = await start({ ...genesis, founder: identityOf(key) })
    assert.notDeepEqual(after.key, key)
  })

  it('that lost its log, and knows nobody to ask, is told so and keeps its folder as it is', async () => {
    await replicaWith(4, 9)
    await rm(own('journal'))
    await assert.rejects(start(genesis, { resume: true, canAsk: false }), (error: UserError) => {
      assert.equal(error.kind, 'storage')
      assert.match(error.message, /knows of no other that holds the run/)
      return true
    })
    assert.ok((await readdir(own('.'))).includes('key'))
  })

  it('with the key of another peer than its log is of is told so', async () => {
    await replicaWith(4, 9)
    await rm(own('key'))
    await assert.rejects(start(genesis), /key .* is not the one of the log beside it/)
  })

  it('as a worker that never was a replica keeps its key, and its rounds where it resumes', async () => {
    const before = await start(null)
    const inner = { m: new Float32Array(1), v: new Float32Array(1), updates: 1 }
    const round = { contribution: contributionOf([3, 4]), inner, residual: null, thetaEnd: null }
    await saveWorkerRecord(own('worker'), round)
    const resumed = await start(genesis)
    assert.deepEqual(resumed.key, before.key)
    assert.equal((await open[0].workerRecord())?.contributions.length, 1)
    const anew = await start(null)
    assert.deepEqual(anew.key, before.key)
    assert.equal(await open[0].workerRecord(), null)
  })

  it('is new to its run where it died before it had a log, and not where others had taken it in or its folder was lost', async () => {
    await start(null)
    assert.ok((await start(genesis)).isNew)
    assert.ok(!(await start(genesis, { hasMet: true })).isNew)
    await rm(own('key'))
    assert.ok(!(await start(genesis)).isNew)
  })

  it('without going on with the replica in its folder comes as another peer', async () => {
    const before = await replicaWith(4, 9)
    await snapshotAt(6)
    const after = await start(null)
    assert.notDeepEqual(after.key, before.key)
    assert.match(warnings[0], /begins anew/)
  })
})
