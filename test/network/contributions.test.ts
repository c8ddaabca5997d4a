// Contributions as paced chunks over gossip, and what happens when chunks are lost.
import assert from 'node:assert/strict'
import { cut, nameOfChunks } from '../../src/core/content.js'
import { assignmentId, type PeerId } from '../../src/core/ids.js'
import { Assembler } from '../../src/network/gossip/assembler.js'
import { contentName } from '../../src/platform/content-name.js'
import { sha256 } from '../../src/platform/sha256.js'
import { NobodyListens } from '../../src/ports/mesh.js'
import { contributionOf, gossips, join, payloadOf, startPeer } from './peers.js'
import { closeAll } from './raw.js'

const gradients = { kind: 'gradients', cluster: 'here' } as const
const BYTES = 8_000_000

describe('A contribution', () => {
  afterEach(closeAll)

  it('of 8 MB reaches three meshed subscribers whole, from a worker that subscribes to nothing', async () => {
    const worker = await startPeer()
    const replicas = await Promise.all([startPeer(), startPeer(), startPeer()])
    for (const replica of replicas) replica.mesh.subscribe(gradients)
    await join(replicas[0], replicas[1])
    await join(replicas[1], replicas[2])
    for (const replica of replicas) await join(worker, replica)
    await gossips(worker, gradients, replicas)
    const payload = payloadOf(BYTES)
    const manifest = contributionOf(payload)
    await worker.mesh.publishContribution(gradients, manifest, payload)
    for (const replica of replicas) {
      const arrived = await replica.heard('contribution')
      assert.equal(arrived.from, worker.mesh.self)
      assert.deepEqual(arrived.manifest, manifest)
      assert.equal(contentName(arrived.payload), manifest.payload)
      assert.equal(replica.told.filter(({ what }) => what === 'incomplete' || what === 'refused').length, 0)
    }
  })

  it('reaches a replica through another one that the worker knows', async () => {
    const [worker, near, far] = await Promise.all([startPeer(), startPeer(), startPeer()])
    for (const replica of [near, far]) replica.mesh.subscribe(gradients)
    await join(worker, near)
    await join(far, near)
    await gossips(worker, gradients, [near, far])
    const payload = payloadOf(BYTES / 4)
    await worker.mesh.publishContribution(gradients, contributionOf(payload), payload)
    const { from, payload: arrived } = await far.heard('contribution')
    assert.equal(from, worker.mesh.self)
    assert.equal(sha256(arrived), sha256(payload))
  })

  it('of which a chunk is lost is reported incomplete, and pulled from the worker', async () => {
    const [worker, replica] = await Promise.all([startPeer(), startPeer()])
    replica.mesh.subscribe(gradients)
    await join(worker, replica)
    await gossips(worker, gradients, [replica])
    const payload = payloadOf(BYTES / 4)
    const manifest = contributionOf(payload)
    const damaged = payload.slice()
    damaged[manifest.chunkBytes + 5] ^= 1
    worker.mesh.serve((name) => (name.kind === 'payload' && name.hash === manifest.payload ? payload : null))
    await worker.mesh.publishContribution(gradients, manifest, damaged)
    const lost = await replica.heard('incomplete')
    assert.deepEqual([lost.from, lost.manifest], [worker.mesh.self, manifest])
    const refused = await replica.heard('refused')
    assert.deepEqual([refused.thing, refused.reason], ['chunk 1 of a7', 'wrong-hash'])
    const pulled = await replica.mesh.fetch({ kind: 'payload', hash: manifest.payload }, [lost.from], null)
    assert.equal(contentName(pulled), manifest.payload)
    assert.equal(replica.told.filter(({ what }) => what === 'contribution').length, 0)
  })

  it('that nobody listens for is not published in silence', async () => {
    const [worker, other] = await Promise.all([startPeer(), startPeer()])
    await join(worker, other)
    const payload = payloadOf(1000)
    await assert.rejects(
      worker.mesh.publishContribution(gradients, contributionOf(payload), payload),
      NobodyListens,
    )
  })

  it('whose manifest does not fit its payload is not published', async () => {
    const worker = await startPeer()
    await assert.rejects(
      worker.mesh.publishContribution(gradients, contributionOf(payloadOf(1000)), payloadOf(999)),
      /its payload has another length/,
    )
  })
})

describe('Assembled contributions', () => {
  const author = 'author' as PeerId
  const stranger = 'stranger' as PeerId
  const payload = payloadOf(600_000)
  const manifest = contributionOf(payload)
  const chunks = cut(payload, manifest.chunkBytes).map((bytes, index) => ({
    type: 'chunk' as const,
    payload: manifest.payload,
    index,
    bytes,
    reached: [],
  }))
  let assembler: Assembler
  beforeEach(() => {
    assembler = new Assembler(({ bytes }) => bytes < 2 ** 30)
  })
  afterEach(() => assembler.close())

  const completed = () =>
    new Promise<PeerId>((resolve) => assembler.once('complete', (from) => resolve(from)))

  it('take chunks that overtook their manifest', async () => {
    const complete = completed()
    for (const chunk of chunks.toReversed()) assembler.chunk(author, chunk)
    assembler.begin(author, manifest)
    assert.equal(await complete, author)
  })

  it('are known to arrive from their announcement until they are complete', async () => {
    const complete = completed()
    assert.equal(assembler.arriving(manifest.payload), false)
    assembler.begin(author, manifest)
    assert.equal(assembler.arriving(manifest.payload), true)
    for (const chunk of chunks) assembler.chunk(author, chunk)
    await complete
    assert.equal(assembler.arriving(manifest.payload), false)
  })

  it("are made of their author's chunks alone", async () => {
    const refused: string[] = []
    assembler.on('refused', (from, what) => refused.push(`${from}: ${what}`))
    const complete = completed()
    assembler.begin(author, manifest)
    for (const chunk of chunks) assembler.chunk(stranger, { ...chunk, bytes: new Uint8Array(5) })
    for (const chunk of chunks) assembler.chunk(author, chunk)
    assert.equal(await complete, author)
    assert.deepEqual(refused, [])
  })

  it('are refused when their chunks are not the payload that the manifest names', async () => {
    const other = { ...manifest, payload: sha256(payloadOf(5)) }
    const refused = new Promise((resolve) =>
      assembler.once('refused', (from, what, reason) => resolve([from, what, reason])),
    )
    assembler.begin(author, other)
    for (const chunk of chunks) assembler.chunk(author, { ...chunk, payload: other.payload })
    assert.deepEqual(await refused, [
      author,
      'manifest',
      'its chunks do not make up the payload that it names',
    ])
  })

  it('come again when they are announced again', async () => {
    for (let time = 0; time < 2; time++) {
      const complete = completed()
      assembler.begin(author, manifest)
      for (const chunk of chunks) assembler.chunk(author, chunk)
      assert.equal(await complete, author)
    }
  })

  it('are told of as incomplete at once, and nothing is set aside, where the manifest is of 1.6 GB', () => {
    const bytes = 767 * 2 ** 21
    const claims = Array.from({ length: 767 }, (_, index) => sha256(Uint8Array.of(index >> 8, index & 255)))
    const made = nameOfChunks(bytes, claims, sha256)
    const huge = { ...manifest, bytes, chunkBytes: 2 ** 21, chunks: claims, payload: made }
    const told: string[] = []
    assembler.on('incomplete', (from) => told.push(from))
    assembler.on('refused', (_from, _what, reason) => told.push(reason))
    const before = process.memoryUsage().arrayBuffers
    assembler.begin(author, huge)
    for (const chunk of chunks) assembler.chunk(author, { ...chunk, payload: made })
    assert(process.memoryUsage().arrayBuffers - before < 50e6)
    assert.deepEqual(told, [author])
    assert.equal(assembler.arriving(made), false)
  })

  it('are given up, oldest first, by an author who begins too many', () => {
    const lost: string[] = []
    assembler.on('incomplete', (_from, { assignment }) => lost.push(assignment))
    for (let index = 0; index < 6; index++) {
      const payload = payloadOf(100, index)
      assembler.begin(author, { ...contributionOf(payload), assignment: assignmentId(index) })
    }
    assert.deepEqual(lost, ['a0', 'a1'])
  })
})
