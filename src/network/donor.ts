// The giving side of bulk transfers: answers a request with bytes, as many as the receiver has allowed.
import type { Connection, Stream } from '@libp2p/interface'
import * as lengthPrefixed from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import type { Uint8ArrayList } from 'uint8arraylist'
import { type PeerId, peerId, type RunId } from '../core/ids.js'
import type { BulkSource } from '../ports/mesh.js'
import { CONTROL_CAP_BYTES, decode, encode, MalformedMessage } from '../wire/codec.js'
import { type BulkAnswer, type BulkRequest, bulkCreditSchema, bulkRequestSchema } from '../wire/frames.js'
import { Allowance } from './credit.js'
import { asError } from './errors.js'
import type { Meter } from './meter.js'
import { room, sink, source } from './streams.js'

export const BULK_PROTOCOL = '/skein/bulk/1'
/** One frame: large enough for throughput, small enough that control gets in between. */
export const BULK_FRAME_BYTES = 256 * 1024
/** Transfers to one peer at a time; more than a peer needs for theta, a snapshot and some payloads. */
export const BULK_STREAMS = 16

export class Donor {
  #source: BulkSource = () => null

  constructor(
    private readonly meter: Meter,
    private readonly run: () => RunId | null,
    private readonly malformed: (from: PeerId, error: unknown) => void,
  ) {}

  serve(source: BulkSource): void {
    this.#source = source
  }

  readonly handle = async (stream: Stream, connection: Connection): Promise<void> => {
    const from = peerId(connection.remotePeer.toString())
    this.meter.attach(stream, from, 'bulk')
    const frames = lengthPrefixed.decode(source(stream), { maxDataLength: CONTROL_CAP_BYTES })
    try {
      const first = await frames.next()
      if (first.done) throw new Error('the stream ended before a request came')
      const request = decode(first.value.subarray(), bulkRequestSchema, CONTROL_CAP_BYTES)
      const allowance = new Allowance(request.credit)
      await Promise.all([this.#readCredits(frames, allowance), this.#send(stream, request, allowance)])
    } catch (error) {
      if (error instanceof MalformedMessage) this.malformed(from, error)
      stream.abort(asError(error))
    }
  }

  async #send(stream: Stream, request: BulkRequest, allowance: Allowance): Promise<void> {
    await pipe(this.#answer(request, allowance), sink(stream))
    await room(stream, 0)
    await stream.close()
  }

  async #readCredits(frames: AsyncGenerator<Uint8ArrayList>, allowance: Allowance): Promise<void> {
    try {
      for await (const frame of frames) {
        allowance.add(decode(frame.subarray(), bulkCreditSchema, CONTROL_CAP_BYTES).credit)
      }
    } finally {
      allowance.end()
    }
  }

  async *#answer(request: BulkRequest, allowance: Allowance): AsyncGenerator<Uint8ArrayList> {
    const bytes = await this.#find(request)
    if (typeof bytes === 'string') {
      yield framed({ found: false, reason: bytes })
      return
    }
    yield framed({ found: true, bytes: bytes.byteLength })
    for (let at = request.offset; at < bytes.byteLength; ) {
      const length = await allowance.take(Math.min(BULK_FRAME_BYTES, bytes.byteLength - at))
      if (length === 0) return
      // A copy: the stream keeps a reference, and the owner may overwrite its buffer meanwhile.
      yield lengthPrefixed.encode.single(bytes.slice(at, at + length))
      at += length
    }
  }

  async #find(request: BulkRequest): Promise<Uint8Array | string> {
    const run = this.run()
    if (request.run !== run) return `run ${request.run} is not ours (${run ?? 'none entered yet'})`
    const bytes = await this.#source(request.name)
    if (bytes === null) return 'not held here'
    if (request.offset > bytes.byteLength)
      return `${bytes.byteLength} bytes end before offset ${request.offset}`
    return bytes
  }
}

const framed = (answer: BulkAnswer): Uint8ArrayList => lengthPrefixed.encode.single(encode(answer))
