// Bulk transfers: verified chunk by chunk, from several donors, resumed, and never further ahead than their reader asks.
import assert from 'node:assert/strict'
import { mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join as inFolder } from 'node:path'
import * as lengthPrefixed from 'it-length-prefixed'
import { CHUNK_BYTES, chunkCountOf } from '../../src/core/content.js'
import { ChunkList } from '../../src/network/bulk/chunk-list.js'
import { BULK_PROTOCOL, PIECE_HEADER_BYTES } from '../../src/network/bulk/donor.js'
import { source } from '../../src/network/flow/streams.js'
import { contentName } from '../../src/platform/content-name.js'
import { CONTROL_CAP_BYTES, decode, encode } from '../../src/wire/codec.js'
import { bulkAnswerSchema } from '../../src/wire/frames.js'
import { join, OTHER_RUN, payloadOf, RUN, startPeer, until } from './peers.js'
import { closeAll, framed, startRaw } from './raw.js'

const name = { kind: 'theta', version: 3 } as const
const slowly = [{ between: ['here', 'there'] as [string, string], bytesPerSecond: 8e6, latencyMs: 0 }]

/** Somebody who takes content of two: of a liar, who announces so many bytes and no hash of them, and of who holds it. */
async function withLiar(content: Uint8Array, announced: number) {
  const [taker, liar, honest] = await Promise.all([startPeer(), startRaw(), startPeer()])
  await liar.dial(taker)
  await join(taker, honest)
  honest.mesh.serve(() => content)
  await liar.handle(BULK_PROTOCOL, async (stream) => {
    const chunks = new Uint8Array(32 * chunkCountOf(announced))
    stream.send(framed(encode({ found: true, bytes: announced, chunks, held: null, fellows: [] })))
  })
  return { taker, liar, donors: [liar.id, honest.mesh.self] }
}

describe('A fetch', () => {
  afterEach(closeAll)

  it('brings the bytes of a version, verified', async () => {
    const [taker, donor] = await Promise.all([startPeer(), startPeer()])
    await join(taker, donor)
    const bytes = payloadOf(5_000_001)
    donor.mesh.serve((asked) => (asked.kind === 'theta' && asked.version === 3 ? bytes : null))
    const fetched = await taker.mesh.fetch(name, [donor.mesh.self], contentName(bytes))
    assert.equal(contentName(fetched), contentName(bytes))
    assert.equal(fetched.byteOffset, 0)
    assert(donor.mesh.traffic().sent.bulk > bytes.byteLength)
  })

  it('fetches only the chunks that differ from what is at hand, and notices one that does not belong', async () => {
    const [taker, donor] = await Promise.all([startPeer(), startPeer()])
    await join(taker, donor)
    const bytes = payloadOf(6 * 2 ** 20)
    donor.mesh.serve(() => bytes)
    // Two chunks are others, and the last one is cut short.
    const like = bytes.slice(0, -1)
    for (const index of [3, 9]) like[index * CHUNK_BYTES + 7] ^= 1
    const fetched = await taker.mesh.fetch(name, [donor.mesh.self], contentName(bytes), { like })
    assert.equal(contentName(fetched), contentName(bytes))
    const { bulk } = taker.mesh.traffic().received
    assert(bulk > 3 * CHUNK_BYTES && bulk < 3.2 * CHUNK_BYTES, `${bulk} bytes came`)
  })

  it('brings nothing when there is nothing in it', async () => {
    const [taker, donor] = await Promise.all([startPeer(), startPeer()])
    await join(taker, donor)
    donor.mesh.serve(() => new Uint8Array(0))
    assert.equal((await taker.mesh.fetch(name, [donor.mesh.self], null)).byteLength, 0)
  })

  it('goes on where the first donor died, at the second', async () => {
    const taker = await startPeer()
    const [first, second] = await Promise.all([startPeer({ links: slowly }), startPeer()])
    first.mesh.place(taker.mesh.self, 'there')
    await join(taker, first)
    await join(taker, second)
    const bytes = payloadOf(24 * 2 ** 20)
    for (const donor of [first, second]) donor.mesh.serve(() => bytes)
    const fetched = taker.mesh.fetch(name, [first.mesh.self, second.mesh.self], contentName(bytes))
    await until(() => taker.mesh.traffic().received.bulk > 4 * 2 ** 20)
    await first.mesh.close()
    assert.equal(contentName(await fetched), contentName(bytes))
    assert(taker.mesh.traffic().received.bulk < 1.15 * bytes.byteLength)
  })

  it('names a donor whose list of chunks is of other content, and takes the bytes from the next', async () => {
    const bytes = payloadOf(1_000_000)
    const { taker, liar, donors } = await withLiar(bytes, bytes.byteLength)
    const fetched = await taker.mesh.fetch(name, donors, contentName(bytes))
    assert.equal(contentName(fetched), contentName(bytes))
    const refused = await taker.heard('refused')
    assert.deepEqual([refused.from, refused.thing], [liar.id, 'theta of version 3'])
    assert.match(refused.reason, /its content is/)
  })

  it('sets nothing aside for a donor that says of 2 GB where there can be 1 MB, and takes the bytes from the next', async () => {
    const bytes = payloadOf(1_000_000)
    const { taker, liar, donors } = await withLiar(bytes, 2e9)
    let most = 0
    const before = process.memoryUsage().arrayBuffers
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage().arrayBuffers - before)
    }, 1)
    const fetched = await taker.mesh.fetch(name, donors, null, { atMost: bytes.byteLength })
    clearInterval(watch)
    assert.equal(contentName(fetched), contentName(bytes))
    const refused = await taker.heard('refused')
    assert.deepEqual([refused.from, refused.thing], [liar.id, 'theta of version 3'])
    assert.equal(refused.reason, 'it announces 2000000000 bytes, where there can be 1000000 at most')
    assert(most < 50e6, `${most} bytes were set aside`)
  })

  it('names the donor of a chunk that is another one, and takes that chunk from the honest one', async () => {
    const [taker, liar, honest] = await Promise.all([startPeer(), startPeer(), startPeer()])
    await join(taker, liar)
    await join(taker, honest)
    const bytes = payloadOf(12 * 2 ** 20)
    // Its list of chunks is right, and so is the first time that it reads them.
    const reads = new Map<number, number>()
    const forged = (start: number, end: number) => {
      const times = (reads.get(start) ?? 0) + 1
      reads.set(start, times)
      return times === 1 ? bytes.subarray(start, end) : new Uint8Array(end - start)
    }
    liar.mesh.serve(() => ({ bytes: bytes.byteLength, read: forged }))
    honest.mesh.serve(() => bytes)
    // The hashes are read in larger steps than chunks: every second read of a start is a chunk that is given.
    for (let start = 0; start < bytes.byteLength; start += 2 ** 18)
      reads.set(start, start % 2 ** 20 === 0 ? 0 : 1)
    const donors = [liar.mesh.self, honest.mesh.self]
    const fetched = await taker.mesh.fetch(name, donors, contentName(bytes))
    assert.equal(contentName(fetched), contentName(bytes))
    const refused = await taker.heard('refused')
    assert.deepEqual([refused.from, refused.thing], [liar.mesh.self, 'theta of version 3'])
    assert.match(refused.reason, /^chunk \d+: its SHA-256 is/)
  })

  it('takes different chunks from three donors at once', async () => {
    const taker = await startPeer()
    const donors = await Promise.all([1, 2, 3].map(() => startPeer({ links: slowly })))
    const bytes = payloadOf(12 * 2 ** 20)
    for (const donor of donors) {
      donor.mesh.place(taker.mesh.self, 'there')
      donor.mesh.serve(() => bytes)
      await join(taker, donor)
    }
    const ids = donors.map(({ mesh }) => mesh.self)
    const steps: number[] = []
    const progress = ({ bytes: now }: { bytes: number }) => void steps.push(now)
    const fetched = await taker.mesh.fetch(name, ids, contentName(bytes), { progress })
    assert.equal(contentName(fetched), contentName(bytes))
    for (const { mesh } of donors) assert(mesh.traffic().sent.bulk > bytes.byteLength / 8)
    const sent = donors.reduce((sum, { mesh }) => sum + mesh.traffic().sent.bulk, 0)
    assert(sent < 1.1 * bytes.byteLength, `${sent} bytes sent`)
    assert.deepEqual(
      steps,
      [...steps].sort((a, b) => a - b),
    )
    assert.equal(steps.at(-1), bytes.byteLength)
  })

  it('crosses a slow link once for all who fetch in a cluster', async () => {
    const link = [{ between: ['east', 'west'] as [string, string], bytesPerSecond: 6e6, latencyMs: 0 }]
    const donor = await startPeer({ cluster: 'east', links: link })
    const takers = await Promise.all([1, 2, 3].map(() => startPeer({ cluster: 'west', links: link })))
    const bytes = payloadOf(16 * 2 ** 20)
    donor.mesh.serve(() => bytes)
    for (const taker of takers) {
      donor.mesh.place(taker.mesh.self, 'west')
      taker.mesh.place(donor.mesh.self, 'east')
      await join(taker, donor)
    }
    const fetched = await Promise.all(
      takers.map((taker) => taker.mesh.fetch(name, [donor.mesh.self], contentName(bytes))),
    )
    for (const one of fetched) assert.equal(contentName(one), contentName(bytes))
    const crossed = donor.mesh.traffic().interClusterSent
    assert(crossed < 1.5 * bytes.byteLength, `${crossed / bytes.byteLength} times the bytes crossed`)
  })

  it('goes on from what is on the disk after its peer was killed, though a part of that is damaged', async () => {
    const partial = await mkdtemp(inFolder(tmpdir(), 'skein-partial-'))
    const bytes = payloadOf(24 * 2 ** 20)
    const [donor, first] = await Promise.all([startPeer({ links: slowly }), startPeer({ partial })])
    donor.mesh.place(first.mesh.self, 'there')
    donor.mesh.serve(() => bytes)
    await join(first, donor)
    const interrupted = first.mesh.fetch(name, [donor.mesh.self], contentName(bytes))
    const rejected = assert.rejects(interrupted, /closed/)
    await until(() => first.mesh.traffic().received.bulk > 16 * 2 ** 20)
    await first.mesh.close()
    await rejected
    const [part] = await readdir(partial)
    const file = await open(inFolder(partial, part), 'r+')
    await file.write(Uint8Array.of(1, 2, 3), 0, 3, 0)
    await file.close()
    const [second, other] = await Promise.all([startPeer({ partial }), startPeer()])
    other.mesh.serve(() => bytes)
    await join(second, other)
    const fetched = await second.mesh.fetch(name, [other.mesh.self], contentName(bytes))
    assert.equal(contentName(fetched), contentName(bytes))
    assert(other.mesh.traffic().sent.bulk < bytes.byteLength - 12 * 2 ** 20)
    assert.deepEqual(await readdir(partial), [])
    await rm(partial, { recursive: true })
  })

  it('to a file brings the same bytes, and the file is there once it is whole', async () => {
    const folder = await mkdtemp(inFolder(tmpdir(), 'skein-file-'))
    const [taker, donor] = await Promise.all([startPeer(), startPeer()])
    await join(taker, donor)
    const bytes = payloadOf(3_000_001)
    donor.mesh.serve(() => bytes)
    const path = inFolder(folder, 'theta')
    await taker.mesh.fetchFile(name, [donor.mesh.self], contentName(bytes), path)
    assert.equal(contentName(await readFile(path)), contentName(bytes))
    assert.deepEqual(await readdir(folder), ['theta'])
    await rm(folder, { recursive: true })
  })

  it('that no donor can answer says what each of them said', async () => {
    const [taker, empty, elsewhere, gone] = await Promise.all([
      startPeer(),
      startPeer(),
      startPeer({ run: OTHER_RUN }),
      startPeer(),
    ])
    await join(taker, empty)
    await join(taker, elsewhere)
    const donors = [empty.mesh.self, elsewhere.mesh.self, gone.mesh.self]
    await assert.rejects(taker.mesh.fetch(name, donors, null), (error: Error) => {
      assert.match(error.message, /^could not fetch theta of version 3: /)
      assert.match(error.message, new RegExp(`${empty.mesh.self}: not held here; `))
      assert.match(error.message, new RegExp(`${elsewhere.mesh.self}: run ${RUN} is not ours`))
      assert.match(error.message, new RegExp(`${gone.mesh.self}: `))
      return true
    })
    await assert.rejects(taker.mesh.fetch(name, [], null), /no donors were given/)
  })

  it('under way ends with a reason when the peer closes', async () => {
    const [taker, donor] = await Promise.all([startPeer(), startPeer({ links: slowly })])
    donor.mesh.place(taker.mesh.self, 'there')
    await join(taker, donor)
    donor.mesh.serve(() => payloadOf(24 * 2 ** 20))
    const fetched = taker.mesh.fetch(name, [donor.mesh.self], null)
    const rejected = assert.rejects(fetched, /closed/)
    await until(() => taker.mesh.traffic().received.bulk > 2 ** 20)
    await taker.mesh.close()
    await rejected
  })
})

describe('A donor', () => {
  afterEach(closeAll)

  it('sends no byte more than its reader has asked for, however slowly that reads', async () => {
    const donor = await startPeer()
    const bytes = payloadOf(64 * 2 ** 20)
    donor.mesh.serve(() => bytes)
    const raw = await startRaw()
    const stream = await raw.open(donor, BULK_PROTOCOL)
    const frames = lengthPrefixed.decode(source(stream), { maxDataLength: 2 ** 20 })
    stream.send(framed(encode({ run: RUN, name, content: null, list: true })))
    const answer = decode((await frames.next()).value!.subarray(), bulkAnswerSchema, CONTROL_CAP_BYTES)
    assert(answer.found && answer.chunks !== null)
    assert.deepEqual([answer.bytes, answer.held, answer.fellows], [bytes.byteLength, null, []])
    assert.equal(ChunkList.from(answer.bytes, answer.chunks).name, contentName(bytes))
    const before = donor.mesh.traffic().sent.bulk
    for (let asked = 1; asked <= 5; asked++) {
      stream.send(framed(encode({ want: [10 * asked], drop: [] })))
      let received = 0
      while (received < CHUNK_BYTES) {
        const frame = (await frames.next()).value!
        received += frame.byteLength - PIECE_HEADER_BYTES
        assert.equal(frame.get(2), 10 * asked)
      }
      assert.equal(received, CHUNK_BYTES)
      const sent = donor.mesh.traffic().sent.bulk - before
      assert(sent < asked * (CHUNK_BYTES + 1000), `${sent} sent where ${asked} chunks were asked for`)
    }
  })

  it('that has many takers says that it is busy, and to come later', async () => {
    const donor = await startPeer()
    donor.mesh.serve(() => payloadOf(1000))
    const raw = await startRaw()
    const ask = async () => {
      const stream = await raw.open(donor, BULK_PROTOCOL)
      stream.send(framed(encode({ run: RUN, name, content: null, list: false })))
      const frames = lengthPrefixed.decode(source(stream))
      return decode((await frames.next()).value!.subarray(), bulkAnswerSchema, CONTROL_CAP_BYTES)
    }
    const answers = [await ask(), await ask(), await ask(), await ask()]
    assert.deepEqual(
      answers.map((answer) => answer.found || answer.later),
      [true, true, true, true],
    )
    assert.deepEqual(
      answers.map(({ found }) => found),
      [true, true, true, false],
    )
  })

  it('drops a malformed request and names its sender', async () => {
    const donor = await startPeer()
    const raw = await startRaw()
    const stream = await raw.open(donor, BULK_PROTOCOL)
    stream.send(framed(encode({ run: RUN, name: { kind: 'password' }, content: null, list: true })))
    const refused = await donor.heard('refused')
    assert.deepEqual([refused.from, refused.thing], [raw.id, 'bulk request'])
  })
})
