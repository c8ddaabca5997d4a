// The giving side of bulk transfers: says what it holds, and sends the chunks that it is asked for, one after another, as
// far as the budget of the peer lets it. A request for chunks is the receiver's credit: nothing else is ever sent. What
// this peer takes itself it gives too, chunk by chunk as they come, and it names those who take the same content to each
// other: so the load spreads over all that have any of it.
import type { Connection, Stream } from '@libp2p/interface'
import * as lengthPrefixed from 'it-length-prefixed'
import { Uint8ArrayList } from 'uint8arraylist'
import { type Hash, type PeerId, peerId } from '../../core/ids.js'
import { CONTROL_CAP_BYTES, decode, encode, MalformedMessage } from '../../wire/codec.js'
import {
  type BulkAnswer,
  type BulkRequest,
  bulkRequestSchema,
  bulkWantsSchema,
  MAX_FELLOWS,
} from '../../wire/frames.js'
import type { EnteredRun } from '../entered-run.js'
import { asError } from '../errors.js'
import type { Budget } from '../flow/budget.js'
import type { Meter } from '../flow/meter.js'
import { room, sink, source } from '../flow/streams.js'
import type { Holding } from './holding.js'
import type { Offers } from './offers.js'

export const BULK_PROTOCOL = '/skein/bulk/2'
/** Streams of one peer: more than a peer needs for theta, a snapshot and a payload at once. */
export const BULK_STREAMS = 3
/** Transfers to all peers together; who comes later is told to come again, and takes from others meanwhile. */
const BUSY_FROM = 24
/** One frame: large enough for throughput, and for a slow path small enough that its budget is kept. */
export const PIECE_BYTES = { least: 32 * 1024, most: 256 * 1024 } as const
/** The first byte of what a donor sends after its answer. */
export const NEWS = 0
export const PIECE = 1
/** Kind and number of the chunk. */
export const PIECE_HEADER_BYTES = 3

export interface DonorParts {
  readonly meter: Meter
  readonly budget: Budget
  readonly offers: Offers
  readonly run: EnteredRun
  /** Where a peer can be reached, for those who take the same. */
  readonly addressesOf: (peer: PeerId) => readonly string[]
  /** Somebody takes this content from here, and soon has some of it. */
  readonly taken: (content: Hash, by: PeerId) => void
  readonly malformed: (from: PeerId, error: unknown) => void
}

export class Donor {
  readonly #takers = new Map<Hash, Set<PeerId>>()
  readonly #streams = new Map<PeerId, number>()

  constructor(private readonly parts: DonorParts) {}

  readonly handle = async (stream: Stream, connection: Connection): Promise<void> => {
    const from = peerId(connection.remotePeer.toString())
    this.parts.meter.attach(stream, from, 'bulk')
    const frames = lengthPrefixed.decode(source(stream), { maxDataLength: CONTROL_CAP_BYTES })
    try {
      const first = await frames.next()
      if (first.done) throw new Error('the stream ended before a request came')
      const request = decode(first.value.subarray(), bulkRequestSchema, CONTROL_CAP_BYTES)
      await this.#serve(stream, frames, from, request)
      await room(stream, 0)
      await stream.close()
    } catch (error) {
      if (error instanceof MalformedMessage) this.parts.malformed(from, error)
      stream.abort(asError(error))
    }
  }

  async #serve(
    stream: Stream,
    frames: AsyncGenerator<Uint8ArrayList>,
    from: PeerId,
    request: BulkRequest,
  ): Promise<void> {
    const { run, offers, taken } = this.parts
    const answer = (what: BulkAnswer) => sink(stream)([lengthPrefixed.encode.single(encode(what))])
    if (request.run !== run.id) {
      const reason = `run ${request.run} is not ours (${run.id ?? 'none entered yet'})`
      return answer({ found: false, reason, later: false })
    }
    const release = this.#admit(from)
    if (release === null) return answer({ found: false, reason: 'busy with others', later: true })
    try {
      const found = await offers.find(request.name, request.content)
      if (found === null) return await answer({ found: false, reason: 'not held here', later: false })
      const { holding, leave } = found
      const { name, bytes } = holding.list
      const takers = this.#takersOf(name)
      const fellows = this.#fellows(takers, from)
      takers.add(from)
      try {
        const given = new Giving(holding, stream, () => this.parts.budget.room(from), this.#pieceFor(from))
        await answer({
          found: true,
          bytes,
          chunks: request.list ? holding.list.packed() : null,
          held: holding.held.isFull ? null : holding.held.packed(),
          fellows,
        })
        taken(name, from)
        await given.run(frames)
      } finally {
        takers.delete(from)
        if (takers.size === 0) this.#takers.delete(name)
        leave()
      }
    } finally {
      release()
    }
  }

  #takersOf(content: Hash): Set<PeerId> {
    const takers = this.#takers.get(content) ?? new Set()
    this.#takers.set(content, takers)
    return takers
  }

  /** Null when there are too many. */
  #admit(from: PeerId): (() => void) | null {
    const streams = this.#streams
    let all = 0
    for (const count of streams.values()) all += count
    const own = streams.get(from) ?? 0
    if (all >= BUSY_FROM || own >= BULK_STREAMS) return null
    streams.set(from, own + 1)
    return () => {
      const left = (streams.get(from) ?? 1) - 1
      if (left > 0) streams.set(from, left)
      else streams.delete(from)
    }
  }

  #fellows(takers: ReadonlySet<PeerId>, from: PeerId): Extract<BulkAnswer, { found: true }>['fellows'] {
    return [...takers]
      .filter((peer) => peer !== from)
      .slice(-MAX_FELLOWS)
      .map((peer) => ({ peer, addresses: this.parts.addressesOf(peer) }))
  }

  #pieceFor(peer: PeerId): () => number {
    const { least, most } = PIECE_BYTES
    return () => Math.min(most, Math.max(least, Math.floor(this.parts.budget.of(peer) / 8)))
  }
}

/** One stream: what is wanted on it, and what is new here. */
class Giving {
  readonly #wanted: number[] = []
  #news: number[] = []
  #ended = false
  #failure: unknown = null
  #wake: (() => void) | null = null

  constructor(
    private readonly holding: Holding,
    private readonly stream: Stream,
    private readonly budget: () => Promise<void>,
    private readonly pieceBytes: () => number,
  ) {
    if (holding.held.isFull) return
    holding.on('gained', this.#gained)
  }

  /** Resolves when the receiver has ended. */
  async run(frames: AsyncGenerator<Uint8ArrayList>): Promise<void> {
    this.stream.addEventListener('close', this.#end)
    const reading = this.#read(frames)
    try {
      await this.#write()
    } finally {
      this.stream.removeEventListener('close', this.#end)
      this.holding.off('gained', this.#gained)
    }
    await reading
  }

  readonly #gained = (index: number): void => {
    this.#news.push(index)
    this.#wake?.()
  }

  readonly #end = (): void => {
    this.#ended = true
    this.#wake?.()
  }

  async #read(frames: AsyncGenerator<Uint8ArrayList>): Promise<void> {
    try {
      for await (const frame of frames) {
        const { want, drop } = decode(frame.subarray(), bulkWantsSchema, CONTROL_CAP_BYTES)
        for (const index of drop) {
          const at = this.#wanted.indexOf(index)
          if (at >= 0) this.#wanted.splice(at, 1)
        }
        const { held } = this.holding
        const odd = want.find((index) => index >= held.count || !held.has(index))
        if (odd !== undefined) throw new MalformedMessage(`it wants chunk ${odd}, which is not held here`)
        this.#wanted.push(...want.filter((index) => !this.#wanted.includes(index)))
        this.#wake?.()
      }
    } catch (error) {
      this.#failure = error
    } finally {
      this.#end()
    }
  }

  async #write(): Promise<void> {
    const { stream } = this
    while (!this.#ended) {
      const index = this.#news.length > 0 ? undefined : this.#wanted.shift()
      if (this.#news.length > 0) {
        const held = this.#news.splice(0)
        send(stream, new Uint8ArrayList(Uint8Array.of(NEWS), encode({ held })))
        await room(stream)
      } else if (index !== undefined) {
        await this.#give(index)
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        this.#wake = null
      }
    }
    if (this.#failure !== null) throw this.#failure
  }

  async #give(index: number): Promise<void> {
    const bytes = await this.holding.read(index)
    const header = Uint8Array.of(PIECE, index >> 8, index & 255)
    for (let at = 0; at < bytes.byteLength && !this.#ended; ) {
      await this.budget()
      const length = Math.min(bytes.byteLength - at, this.pieceBytes())
      send(this.stream, new Uint8ArrayList(header, bytes.subarray(at, at + length)))
      await room(this.stream)
      at += length
    }
  }
}

function send(stream: Stream, frame: Uint8ArrayList): void {
  if (stream.writeStatus !== 'writable') throw new Error(`the stream is ${stream.status}`)
  stream.send(lengthPrefixed.encode.single(frame))
}
