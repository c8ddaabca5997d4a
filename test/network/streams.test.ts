// The ends of a byte pipeline: back-pressure both ways, on real streams.
import assert from 'node:assert/strict'
import type { Stream } from '@libp2p/interface'
import { pipe } from 'it-pipe'
import { BUDGET_BYTES, backlog, sink, source } from '../../src/network/flow/streams.js'
import { until } from './peers.js'
import { closeAll, startRaw } from './raw.js'

const PROTOCOL = '/test/streams/1'
const CHUNK_BYTES = 256 * 1024
const CHUNKS = 160

/** A stream between two nodes: both of its ends. */
async function streamEnds(): Promise<[Stream, Stream]> {
  const [writer, reader] = await Promise.all([startRaw(), startRaw()])
  let arrive: (stream: Stream) => void
  const arrived = new Promise<Stream>((resolve) => {
    arrive = resolve
  })
  await reader.handle(PROTOCOL, async (stream) => arrive(stream))
  const stream = await writer.openRaw(reader, PROTOCOL)
  return [stream, await arrived]
}

describe('A byte pipeline over a stream', () => {
  afterEach(closeAll)

  it('keeps the writer within its budget and the reader within its buffer, however slowly that reads', async () => {
    const [out, into] = await streamEnds()
    let mostWaiting = 0
    function* chunks() {
      for (let i = 0; i < CHUNKS; i++) {
        yield new Uint8Array(CHUNK_BYTES).fill(i)
        mostWaiting = Math.max(mostWaiting, backlog(out))
      }
    }
    const written = pipe(chunks(), sink(out)).then(() => out.close())
    let bytes = 0
    let mostUnread = 0
    for await (const data of source(into)) {
      bytes += data.byteLength
      await new Promise(setImmediate)
      mostUnread = Math.max(mostUnread, into.readBufferLength)
    }
    await written
    assert.equal(bytes, CHUNKS * CHUNK_BYTES)
    assert(mostWaiting <= BUDGET_BYTES, `${mostWaiting} bytes waited at the writer`)
    assert(mostUnread <= 4 * 2 ** 20, `${mostUnread} bytes waited at the reader`)
  })

  it('stops the writer while nobody reads', async () => {
    const [out, into] = await streamEnds()
    let yielded = 0
    function* chunks() {
      for (; yielded < CHUNKS; yielded++) yield new Uint8Array(CHUNK_BYTES)
    }
    into.pause()
    const written = pipe(chunks(), sink(out))
    await until(() => out.writableNeedsDrain)
    assert(yielded < CHUNKS / 2, `${yielded} chunks were written to a reader that never read`)
    const failed = assert.rejects(written)
    into.abort(new Error('enough'))
    await failed
    assert(yielded < CHUNKS / 2)
  })

  it('ends the reader with the bytes that came before a reset, and then with its error', async () => {
    const [out, into] = await streamEnds()
    out.send(new Uint8Array(1000))
    const reading = source(into)
    assert.equal((await reading.next()).value?.byteLength, 1000)
    out.abort(new Error('changed my mind'))
    await assert.rejects(reading.next(), /reset/i)
  })
})
