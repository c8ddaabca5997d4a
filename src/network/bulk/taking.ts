// One stream on which chunks come from one donor: the question, the answer, requests as far as the window lets them, and the
// pieces of chunks put together.
import type { Connection, Stream } from '@libp2p/interface'
import * as lengthPrefixed from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import type { Uint8ArrayList } from 'uint8arraylist'
import { CONTROL_CAP_BYTES, decode, encode } from '../../wire/codec.js'
import { type BulkAnswer, type BulkRequest, bulkAnswerSchema, bulkNewsSchema } from '../../wire/frames.js'
import { asError } from '../errors.js'
import type { Budget } from '../flow/budget.js'
import type { Meter } from '../flow/meter.js'
import { Queue } from '../flow/queue.js'
import { sink, source } from '../flow/streams.js'
import type { ChunkBuffers } from './chunk-buffers.js'
import type { ChunkList } from './chunk-list.js'
import { WINDOW_BYTES, Window } from './credit.js'
import { BULK_PROTOCOL, NEWS, PIECE, PIECE_BYTES, PIECE_HEADER_BYTES } from './donor.js'

/** Time for a donor to answer at all, before any rate is known. */
const ANSWER_MS = 15_000
/** Requests waiting to be sent; each asks for what a window has room for. */
const QUEUED_REQUESTS = 256

/** A chunk that was asked for. */
interface Coming {
  /** Null until something of it comes. */
  memory: Uint8Array<ArrayBuffer> | null
  /** So many bytes of it have come. */
  bytes: number
}

/** The donor did what no honest one does. */
export class Liar extends Error {
  override readonly name = 'Liar'
}

/** The download, as one of its streams sees it. */
export interface Taker {
  readonly list: ChunkList
  readonly buffers: ChunkBuffers
  /** The next chunk to ask for; null for none now. */
  next(): number | null
  /** A whole chunk, not verified yet, whose memory goes back to the buffers. Rejects with Liar if it is another one. */
  arrived(index: number, chunk: Uint8Array<ArrayBuffer>): Promise<void>
  /** Resolves when another chunk may come. */
  room(): Promise<void>
  /** The donor has got chunks. */
  news(held: readonly number[]): void
}

export class Taking {
  readonly #requests = new Queue<Uint8Array>(QUEUED_REQUESTS)
  readonly #window = new Window(() => performance.now())
  readonly #watch: Watchdog
  readonly #sending: Promise<void>
  readonly #frames: AsyncGenerator<Uint8ArrayList>
  #taker: Taker | null = null
  #waits: NodeJS.Timeout | null = null
  /** Bytes that may still come of chunks that were dropped. */
  #owed = 0
  /** Asked for, in this order, and what has come of each. */
  readonly #coming = new Map<number, Coming>()

  /** Chunks that have come, and are being verified. */
  readonly #settling = new Set<Promise<void>>()
  #failure: Error | null = null

  private constructor(
    private readonly stream: Stream,
    private readonly budget: Budget,
  ) {
    // Never full: the donor is only asked for a window. The margin is for its answer.
    stream.maxReadBufferLength = 2 * WINDOW_BYTES.most
    stream.addEventListener('close', () => this.#requests.wake())
    this.#watch = new Watchdog(stream)
    this.#frames = lengthPrefixed.decode(source(stream), {
      maxDataLength: Math.max(CONTROL_CAP_BYTES, PIECE_BYTES.most + PIECE_HEADER_BYTES),
    })
    this.#sending = pipe(
      this.#requests.while(() => stream.writeStatus === 'writable'),
      lengthPrefixed.encode,
      sink(stream),
    )
    // Its failure shows on the reading side too; this keeps it from being unhandled until then.
    this.#sending.catch(() => {})
  }

  static async open(connection: Connection, meter: Meter, budget: Budget): Promise<Taking> {
    const stream = await connection.newStream(BULK_PROTOCOL, { signal: AbortSignal.timeout(ANSWER_MS) })
    meter.attach(stream, connection.remotePeer.toString() as never, 'bulk')
    return new Taking(stream, budget)
  }

  async ask(request: BulkRequest): Promise<BulkAnswer> {
    this.#requests.push(encode(request))
    this.#watch.expect(ANSWER_MS)
    try {
      const first = await this.#frames.next()
      if (first.done) throw new Error('it closed without an answer')
      return decode(first.value.subarray(), bulkAnswerSchema, CONTROL_CAP_BYTES)
    } catch (error) {
      this.end()
      throw this.#watch.fired ?? error
    } finally {
      this.#watch.stop()
    }
  }

  /** Takes chunks until the stream ends. Rejects with why it broke. */
  async run(taker: Taker): Promise<void> {
    this.#taker = taker
    this.pump()
    try {
      for await (const frame of this.#frames) await this.#take(frame, taker)
      await Promise.all(this.#settling)
      if (this.#failure !== null) throw this.#failure
    } catch (error) {
      this.stream.abort(asError(error))
      await Promise.all(this.#settling)
      throw this.#failure ?? this.#watch.fired ?? error
    } finally {
      this.end()
    }
  }

  /** Asks for as much as the window and the caps leave room for. */
  pump(): void {
    const taker = this.#taker
    if (taker === null || this.stream.writeStatus !== 'writable') return
    const want: number[] = []
    while (this.#window.hasRoom) {
      const waitMs = this.budget.askInMs
      if (waitMs > 0) {
        this.#pumpIn(waitMs)
        break
      }
      const index = taker.next()
      if (index === null) break
      this.#coming.set(index, { memory: null, bytes: 0 })
      want.push(index)
    }
    if (want.length === 0) return
    this.#requests.push(encode({ want, drop: [] }))
    this.#watch.expect(this.#window.patienceMs)
  }

  /** Takes note of bytes asked for. */
  asked(bytes: number): void {
    this.budget.asked(bytes)
    this.#window.asked(bytes)
  }

  /** A chunk has come from another donor. */
  drop(index: number, bytes: number): void {
    const coming = this.#coming.get(index)
    if (coming === undefined) return
    // What is on its way already is thrown away as it comes.
    this.#coming.delete(index)
    if (coming.memory !== null) this.#taker?.buffers.giveBack(coming.memory)
    this.#owed += bytes - coming.bytes
    this.#window.withdrawn(bytes - coming.bytes)
    this.#requests.push(encode({ want: [], drop: [index] }))
    if (this.#coming.size === 0) this.#watch.stop()
    this.pump()
  }

  /** Bytes per second that come, null while unknown. */
  rate(chunkBytes: number): number | null {
    return this.#window.rate(chunkBytes)
  }

  end(): void {
    this.#taker = null
    if (this.#waits !== null) clearTimeout(this.#waits)
    this.#watch.stop()
    this.#requests.end()
    this.stream.abort(new Error('the transfer is over'))
  }

  async #take(frame: Uint8ArrayList, taker: Taker): Promise<void> {
    const kind = frame.get(0)
    if (kind === NEWS) {
      taker.news(decode(frame.subarray(1), bulkNewsSchema, CONTROL_CAP_BYTES).held)
      return this.pump()
    }
    if (kind !== PIECE || frame.byteLength <= PIECE_HEADER_BYTES) throw new Liar('it sent nonsense')
    const index = (frame.get(1) << 8) | frame.get(2)
    const piece = frame.sublist(PIECE_HEADER_BYTES)
    const chunk = this.#coming.get(index)
    if (chunk === undefined) {
      this.#owed -= piece.byteLength
      if (this.#owed < 0) throw new Liar('it sent what nobody had asked for')
      return
    }
    this.#window.received(piece.byteLength)
    this.#watch.expect(this.#window.patienceMs)
    const size = taker.list.size(index)
    if (chunk.bytes + piece.byteLength > size) throw new Liar(`it sent more of chunk ${index} than there is`)
    chunk.memory ??= taker.buffers.take(size)
    for (const part of piece) {
      chunk.memory.set(part, chunk.bytes)
      chunk.bytes += part.byteLength
    }
    if (chunk.bytes < size) return
    this.#coming.delete(index)
    if (this.#coming.size === 0) this.#watch.stop()
    this.#settle(taker.arrived(index, chunk.memory))
    await taker.room()
    this.pump()
  }

  /** The next chunks come meanwhile; but none from a liar. */
  #settle(settled: Promise<void>): void {
    const watched = settled
      .catch((error) => {
        this.#failure ??= asError(error)
        this.stream.abort(this.#failure)
      })
      .finally(() => this.#settling.delete(watched))
    this.#settling.add(watched)
  }

  #pumpIn(ms: number): void {
    this.#waits ??= setTimeout(() => {
      this.#waits = null
      this.pump()
    }, ms)
  }
}

/** Aborts a stream on which nothing comes for longer than expected. */
class Watchdog {
  #timer: NodeJS.Timeout | undefined
  fired: Error | null = null

  constructor(private readonly stream: Stream) {}

  expect(withinMs: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.fired = new Error(`nothing came for ${Math.round(withinMs / 1000)} s`)
      this.stream.abort(this.fired)
    }, withinMs)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}
