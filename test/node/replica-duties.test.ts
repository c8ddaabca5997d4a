// What a replica does for its core: nothing is told before it is durable, nothing of what a snapshot replaced.
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import type { ApplyEntry, Entry } from '../../src/core/entries.js'
import { type Hash, hash } from '../../src/core/ids.js'
import { emptyLedger } from '../../src/core/ledger.js'
import type { Message } from '../../src/core/messages.js'
import type { Report } from '../../src/core/reports.js'
import { Contributions } from '../../src/node/contributions.js'
import type { DurableLog } from '../../src/node/durable-log.js'
import { OuterStates } from '../../src/node/outer-states.js'
import { ReplicaDuties } from '../../src/node/replica-duties.js'
import { SnapshotFiles } from '../../src/node/snapshot-files.js'
import type { Mesh } from '../../src/ports/mesh.js'
import { loadSnapshot } from '../../src/store/snapshot.js'
import { outerOptions } from '../paper/made.js'
import {
  alice,
  bob,
  contributionOf,
  Events,
  exact,
  fakeMesh,
  format,
  MemoryPayloads,
  unexpected,
} from './fakes.js'
import { folder, removeFolders } from './folders.js'

const theta = Float32Array.of(1, 2)
const made = contributionOf([3, 4])
const first = emptyLedger([100], alice)
const ledgerAt = (version: number) => ({ ...first, version, index: 10 * version, term: 1 })
const entry = { kind: 'finish', reason: 'enough', ok: true, index: 1, term: 1 } as const satisfies Entry
const leave: Message = { type: 'leave', reason: 'enough' }

const applied: ApplyEntry = {
  kind: 'apply',
  codec: 'fp32',
  assignment: made.manifest.assignment,
  worker: alice,
  payload: made.manifest.payload,
  version: 1,
  staleness: 0,
  weight: 1,
  steps: 5,
  speed: 1,
  loss: 1,
}
const stepWith = (payload: Hash) =>
  ({
    type: 'apply-outer',
    entry: { ...applied, payload },
    ledger: ledgerAt(1),
    version: 1,
    donors: [],
  }) as const

/** A log that remembers what was asked of it, and is as slow as a test wants. */
class FakeLog {
  readonly asked: string[] = []
  durable: () => Promise<void> = () => Promise.resolve()
  persist = (_: unknown, entries: readonly unknown[]) => this.#ask(`persist ${entries.length}`)
  compact = ({ index }: { index: number }) => this.#ask(`compact ${index}`)
  beginAnew = async ({ index }: { index: number }, ready: Promise<void>) => {
    await ready
    await this.#ask(`begin anew at ${index}`)
  }
  #ask(what: string): Promise<void> {
    this.asked.push(what)
    return this.durable()
  }
}

const open: OuterStates[] = []

/** The duties of a replica at version 0 of a run of two parameters. */
async function dutiesOver(methods: Partial<Mesh>, learningRate = 0.5) {
  const events = new Events()
  const reports: Report[] = []
  const sent: unknown[] = []
  const mesh = fakeMesh({ self: alice, ...methods })
  const states = new OuterStates({ outer: outerOptions({ learningRate, bufferSize: 1 }), compression: exact })
  open.push(states)
  await states.found(theta, first)
  const log = new FakeLog()
  const path = await folder()
  const duties = new ReplicaDuties({
    mesh,
    log: log as unknown as DurableLog,
    snapshots: new SnapshotFiles(path),
    states,
    parameters: theta.length,
    contributions: new Contributions(mesh, format, new MemoryPayloads(), events.dispatch, unexpected),
    send: (to, message) => sent.push([to, message.type]),
    report: (report) => reports.push(report),
    dispatch: events.dispatch,
    fail: unexpected,
  })
  return { duties, events, reports, sent, states, log, path }
}

/** The bytes of a state that another peer made, and its digest. */
async function snapshotElsewhere(version: number) {
  const states = new OuterStates({
    outer: outerOptions({ learningRate: 0.5, bufferSize: 1 }),
    compression: exact,
  })
  open.push(states)
  const { stateDigest } = await states.found(Float32Array.of(7, 8), ledgerAt(version))
  const bytes = await states.encoded(version)
  assert.ok(bytes !== undefined)
  return { bytes, stateDigest }
}

describe('A replica', () => {
  afterEach(async () => {
    for (const states of open.splice(0)) await states.close()
    await removeFolders()
  })

  it('lets messages leave, and says that an entry is persisted, when its disk has it and not before', async () => {
    const { duties, events, sent, log } = await dutiesOver({})
    let durable = () => {}
    log.durable = () => new Promise((resolve) => (durable = resolve))
    const thenSend = [{ to: bob, message: leave }]
    duties.persist({ type: 'persist', hard: null, entries: [entry], thenSend })
    await setImmediate()
    assert.deepEqual([...sent, ...events.all], [])
    durable()
    await events.next('persisted')
    assert.deepEqual(sent, [[bob, 'leave']])
    assert.deepEqual(events.all, [{ type: 'persisted', index: 1, term: 1 }])
  })

  it('tells an outer step that fails for good apart from one whose payload may still be had', async () => {
    const fetch = () => Promise.reject(new Error('nobody holds it'))
    const { duties, events } = await dutiesOver({ fetch }, 3e38)
    duties.applyOuter(stepWith(hash('f'.repeat(64))))
    assert.equal((await events.next('outer-failed')).lasting, false)
    const broken = await dutiesOver({ fetch: () => Promise.resolve(made.payload) }, 3e38)
    broken.duties.applyOuter(stepWith(made.manifest.payload))
    const { lasting, reason } = await broken.events.next('outer-failed')
    assert.equal(lasting, true)
    assert.match(reason, /theta would be -Infinity at parameter 0/)
  })

  it('says that a snapshot is saved when it is on the disk, with the ledger that belongs to it', async () => {
    const { duties, events, path } = await dutiesOver({})
    duties.saveSnapshot({ type: 'save-snapshot', version: 0, ledger: { ...first, index: 4, term: 2 } })
    assert.deepEqual(await events.next('snapshot-saved'), { type: 'snapshot-saved', index: 4, term: 2 })
    assert.equal((await loadSnapshot(path))?.snapshot.ledger.index, 4)
  })

  it('warns, and says nothing else, when the version to save is not held any more', async () => {
    const { duties, events, reports } = await dutiesOver({})
    duties.saveSnapshot({ type: 'save-snapshot', version: 3, ledger: ledgerAt(3) })
    while (reports.length === 0) await setImmediate()
    assert.equal(reports[0].type, 'warning')
    assert.deepEqual(events.all, [])
  })

  it('takes up a snapshot from the first donor that gives the right one, durable before it is told', async () => {
    const { bytes, stateDigest } = await snapshotElsewhere(5)
    const asked: unknown[] = []
    const { duties, events, states, path } = await dutiesOver({
      fetch: async (_, [donor]) => {
        asked.push(donor)
        return donor === alice ? bytes.slice(0, 100) : bytes
      },
    })
    duties.fetchSnapshot({ type: 'fetch-snapshot', version: 5, stateDigest, least: 0, donors: [alice, bob] })
    const { ledger } = await events.next('snapshot-installed')
    assert.deepEqual(asked, [alice, bob])
    assert.equal(ledger.index, 50)
    assert.equal((await loadSnapshot(path))?.snapshot.stateDigest, stateDigest)
    assert.deepEqual(states.theta(5), Float32Array.of(7, 8))
  })

  it('keeps what it holds when no donor gives the snapshot with the right digest', async () => {
    const { bytes } = await snapshotElsewhere(5)
    const { duties, events, path, states } = await dutiesOver({ fetch: () => Promise.resolve(bytes) })
    const stateDigest = hash('0'.repeat(64))
    duties.fetchSnapshot({ type: 'fetch-snapshot', version: 5, stateDigest, least: 0, donors: [bob] })
    assert.match((await events.next('snapshot-failed')).reason, /digest/)
    assert.deepEqual(await readdir(path), [])
    assert.deepEqual(states.theta(0), theta)
  })

  it('takes no snapshot that ends before what its log has forgotten', async () => {
    const { bytes, stateDigest } = await snapshotElsewhere(5)
    const { duties, events, path } = await dutiesOver({ fetch: () => Promise.resolve(bytes) })
    duties.fetchSnapshot({ type: 'fetch-snapshot', version: 5, stateDigest, least: 51, donors: [bob] })
    assert.match((await events.next('snapshot-failed')).reason, /ends at entry 50/)
    assert.deepEqual(await readdir(path), [])
  })

  it('tells nothing of an outer step that began before a snapshot took its place', async () => {
    const { bytes, stateDigest } = await snapshotElsewhere(5)
    let give = () => {}
    const { duties, events, states } = await dutiesOver({
      fetch: (name) =>
        name.kind === 'snapshot'
          ? Promise.resolve(bytes)
          : new Promise((resolve) => (give = () => resolve(made.payload))),
    })
    duties.applyOuter(stepWith(made.manifest.payload))
    await setImmediate()
    duties.fetchSnapshot({ type: 'fetch-snapshot', version: 5, stateDigest, least: 0, donors: [bob] })
    await events.next('snapshot-installed')
    give()
    await states.snapshot(5)
    await setImmediate()
    assert.deepEqual(
      events.all.map(({ type }) => type),
      ['snapshot-installed'],
    )
  })

  it('drops snapshots of versions beyond the one that takes their place', async () => {
    const { bytes, stateDigest } = await snapshotElsewhere(5)
    const { duties, events, path, states } = await dutiesOver({ fetch: () => Promise.resolve(bytes) })
    const wrong = await states.snapshot(0)
    assert.ok(wrong !== undefined)
    await new SnapshotFiles(path).save({ ...wrong, ledger: ledgerAt(9) })
    duties.fetchSnapshot({ type: 'fetch-snapshot', version: 5, stateDigest, least: 0, donors: [bob] })
    await events.next('snapshot-installed')
    assert.equal((await loadSnapshot(path))?.snapshot.ledger.version, 5)
  })

  it('that is to be forgotten loses its snapshots before its log', async () => {
    const { duties, events, log, path } = await dutiesOver({})
    duties.saveSnapshot({ type: 'save-snapshot', version: 0, ledger: first })
    await events.next('snapshot-saved')
    log.durable = async () => assert.deepEqual(await readdir(path), [])
    duties.forgetReplica()
    while (log.asked.length === 0) await setImmediate()
    assert.deepEqual(log.asked, ['begin anew at 0'])
  })

  it('encodes a version once for all who ask, and again after something took its place', async () => {
    const { duties, states } = await dutiesOver({})
    const once = duties.encodedSnapshot(0)
    assert.equal(duties.encodedSnapshot(0), once)
    assert.ok((await once) !== null)
    assert.equal(await duties.encodedSnapshot(3), null)
    duties.forgetReplica()
    assert.notEqual(duties.encodedSnapshot(0), once)
    await states.snapshot(0)
  })
})
