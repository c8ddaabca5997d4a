// Bulk transfers: verified, resumed from another donor, and never further ahead than their reader allows.
import assert from 'node:assert/strict'
import * as lengthPrefixed from 'it-length-prefixed'
import { BULK_PROTOCOL } from '../../src/network/donor.js'
import { source } from '../../src/network/streams.js'
import { sha256 } from '../../src/platform/sha256.js'
import { CONTROL_CAP_BYTES, decode, encode } from '../../src/wire/codec.js'
import { bulkAnswerSchema } from '../../src/wire/frames.js'
import { join, OTHER_RUN, payloadOf, RUN, startPeer, until } from './peers.js'
import { closeAll, framed, startRaw } from './raw.js'

const name = { kind: 'theta', version: 3 } as const
const slowly = [{ between: ['here', 'there'] as [string, string], bytesPerSecond: 8e6, latencyMs: 0 }]

describe('A fetch', () => {
  afterEach(closeAll)

  it('brings the bytes of a version, verified', async () => {
    const [taker, donor] = await Promise.all([startPeer(), startPeer()])
    await join(taker, donor)
    const bytes = payloadOf(5_000_001)
    donor.mesh.serve((asked) => (asked.kind === 'theta' && asked.version === 3 ? bytes : null))
    const fetched = await taker.mesh.fetch(name, [donor.mesh.self], sha256(bytes))
    assert.equal(sha256(fetched), sha256(bytes))
    assert.equal(fetched.byteOffset, 0)
    assert(donor.mesh.traffic().sent.bulk > bytes.byteLength)
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
    const fetched = taker.mesh.fetch(name, [first.mesh.self, second.mesh.self], sha256(bytes))
    await until(() => taker.mesh.traffic().received.bulk > 4 * 2 ** 20)
    await first.mesh.close()
    assert.equal(sha256(await fetched), sha256(bytes))
    assert(second.mesh.traffic().sent.bulk < bytes.byteLength - 3 * 2 ** 20)
  })

  it('drops what a lying donor sent, counts it, and takes the bytes from the next', async () => {
    const [taker, liar, honest] = await Promise.all([startPeer(), startPeer(), startPeer()])
    await join(taker, liar)
    await join(taker, honest)
    const bytes = payloadOf(1_000_000)
    liar.mesh.serve(() => payloadOf(1_000_000, 99))
    honest.mesh.serve(() => bytes)
    const fetched = await taker.mesh.fetch(name, [liar.mesh.self, honest.mesh.self], sha256(bytes))
    assert.equal(sha256(fetched), sha256(bytes))
    const refused = await taker.heard('refused')
    assert.deepEqual([refused.from, refused.thing], [liar.mesh.self, 'theta of version 3'])
    assert.match(refused.reason, /its SHA-256 is/)
  })

  it('of bytes that two donors gave between them and do not fit asks the honest one for the whole', async () => {
    const [taker, liar, honest] = await Promise.all([startPeer(), startPeer({ links: slowly }), startPeer()])
    liar.mesh.place(taker.mesh.self, 'there')
    await join(taker, liar)
    await join(taker, honest)
    const bytes = payloadOf(12 * 2 ** 20)
    liar.mesh.serve(() => payloadOf(12 * 2 ** 20, 99))
    honest.mesh.serve(() => bytes)
    const fetched = taker.mesh.fetch(name, [liar.mesh.self, honest.mesh.self], sha256(bytes))
    await until(() => taker.mesh.traffic().received.bulk > 2 * 2 ** 20)
    await liar.mesh.close()
    assert.equal(sha256(await fetched), sha256(bytes))
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

  it('gets the bytes as they were when asked, though their owner overwrites them afterwards', async () => {
    const [taker, donor] = await Promise.all([startPeer(), startPeer()])
    await join(taker, donor)
    const bytes = payloadOf(200_000)
    const expected = sha256(bytes)
    const buffer = bytes.slice()
    donor.mesh.serve(() => buffer)
    const fetched = taker.mesh.fetch(name, [donor.mesh.self], expected)
    await until(() => donor.mesh.traffic().sent.bulk > bytes.byteLength)
    buffer.fill(0)
    assert.equal(sha256(await fetched), expected)
  })
})

describe('A donor', () => {
  afterEach(closeAll)

  it('sends no byte more than its reader has allowed, however slowly that reads', async () => {
    const donor = await startPeer()
    donor.mesh.serve(() => payloadOf(64 * 2 ** 20))
    const raw = await startRaw()
    const stream = await raw.open(donor, BULK_PROTOCOL)
    const frames = lengthPrefixed.decode(source(stream), { maxDataLength: 2 ** 20 })
    const read = async (bytes: number) => {
      for (let received = 0; received < bytes; ) received += (await frames.next()).value!.byteLength
    }
    const credit = 600_000
    stream.send(framed(encode({ run: RUN, name, offset: 0, credit })))
    const answer = (await frames.next()).value!.subarray()
    assert.deepEqual(decode(answer, bulkAnswerSchema, CONTROL_CAP_BYTES), {
      found: true,
      bytes: 64 * 2 ** 20,
    })
    for (let allowed = credit; allowed <= 5 * credit; allowed += credit) {
      await read(credit)
      // A control message is answered after whatever the donor would still have sent.
      const sent = donor.mesh.traffic().sent.bulk
      assert(sent >= allowed && sent < allowed + 1000, `${sent} sent where ${allowed} were allowed`)
      stream.send(framed(encode({ credit })))
    }
  })

  it('starts at the offset that it is asked for', async () => {
    const donor = await startPeer()
    const bytes = payloadOf(1000)
    donor.mesh.serve(() => bytes)
    const raw = await startRaw()
    const stream = await raw.open(donor, BULK_PROTOCOL)
    stream.send(framed(encode({ run: RUN, name, offset: 990, credit: 5000 })))
    const frames = lengthPrefixed.decode(source(stream))
    await frames.next()
    assert.deepEqual([...(await frames.next()).value!.subarray()], [...bytes.slice(990)])
    assert.equal((await frames.next()).done, true)
  })

  it('drops a malformed request and names its sender', async () => {
    const donor = await startPeer()
    const raw = await startRaw()
    const stream = await raw.open(donor, BULK_PROTOCOL)
    stream.send(framed(encode({ run: RUN, name: { kind: 'password' }, offset: -1, credit: 0 })))
    const refused = await donor.heard('refused')
    assert.deepEqual([refused.from, refused.thing], [raw.id, 'bulk request'])
  })
})
