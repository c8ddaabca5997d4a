// One budget of bytes in flight per peer, for gossip and bulk together, and the caps on all bytes of this peer. Whoever
// sends what is large waits here for room; control passes, and is only counted.
import type { Connection, Stream } from '@libp2p/interface'
import { type PeerId, peerId } from '../../core/ids.js'
import type { Purpose } from '../../ports/mesh.js'
import { Bucket, Flight, LEAST_BUDGET_BYTES } from './flight.js'
import { room, source } from './streams.js'

/** Soundings go out here, a byte each, and come back on the same stream. */
export const SOUNDING_PROTOCOL = '/skein/sounding/1'
/** A peer to which less was sent is not sounded: heartbeats and manifests need no budget. */
const SOUNDED_FROM_BYTES = 64 * 1024
/** A peer that takes no soundings is asked again after so long; meanwhile its streams alone hold senders back. */
const DEAF_MS = 30_000

/** Caps on all bytes of a peer, per second; null for none. */
export interface Caps {
  readonly uploadBytesPerSecond: number | null
  readonly downloadBytesPerSecond: number | null
}

interface Way {
  flight: Flight
  stream: Stream | null
  opening: boolean
  unsounded: number
  deafUntilMs: number
  readonly waiting: Set<() => void>
}

const now = () => performance.now()
const bucketOf = (rate: number | null): Bucket | null => (rate === null ? null : new Bucket(rate, now()))

export class Budget {
  readonly #ways = new Map<PeerId, Way>()
  readonly #own = new WeakSet<Stream>()
  readonly #upload: Bucket | null
  readonly #download: Bucket | null
  #attach: (stream: Stream, peer: PeerId, purpose: Purpose) => void = () => {}
  #closed = false

  constructor(
    caps: Caps,
    private readonly connectionTo: (peer: PeerId) => Connection | undefined,
  ) {
    this.#upload = bucketOf(caps.uploadBytesPerSecond)
    this.#download = bucketOf(caps.downloadBytesPerSecond)
  }

  /** @param attach counts the streams of the soundings, too */
  meterBy(attach: (stream: Stream, peer: PeerId, purpose: Purpose) => void): void {
    this.#attach = attach
  }

  /** Called for all that leaves. */
  sent(peer: PeerId, purpose: Purpose, stream: Stream, bytes: number): void {
    this.#upload?.take(bytes, now())
    if (purpose === 'control' || this.#own.has(stream) || this.#closed) return
    const way = this.#wayTo(peer)
    if (way.stream === null) this.#open(peer, way, bytes)
    else if (way.flight.send(bytes)) this.#sound(way)
  }

  /** Called for all that arrives. */
  received(purpose: Purpose, bytes: number): void {
    // What this peer asked for was taken when it was asked for.
    if (purpose !== 'bulk') this.#download?.take(bytes, now())
  }

  /** Until this peer may ask for more, ms. */
  get askInMs(): number {
    return this.#download?.waitMs(now()) ?? 0
  }

  /** So many bytes were asked for. */
  asked(bytes: number): void {
    this.#download?.take(bytes, now())
  }

  /** Bytes that may be under way to a peer. */
  of(peer: PeerId): number {
    return this.#ways.get(peer)?.flight.budget ?? LEAST_BUDGET_BYTES
  }

  /** Resolves when more may be sent to a peer, or it is gone. */
  async room(peer: PeerId): Promise<void> {
    while (!this.#closed) {
      const waitMs = this.#upload?.waitMs(now()) ?? 0
      if (waitMs > 0) {
        await new Promise((resolve) => setTimeout(resolve, waitMs))
        continue
      }
      const way = this.#ways.get(peer)
      if (way === undefined || way.stream === null || way.flight.hasRoom) return
      if (way.flight.isStuck) this.#sound(way)
      await new Promise<void>((resolve) => way.waiting.add(resolve))
    }
  }

  /** The receiving end: every sounding goes back at once. */
  readonly handle = async (stream: Stream, connection: Connection): Promise<void> => {
    this.#own.add(stream)
    this.#attach(stream, peerId(connection.remotePeer.toString()), 'control')
    try {
      for await (const { byteLength } of source(stream)) {
        stream.send(new Uint8Array(byteLength))
        await room(stream)
      }
      await stream.close()
    } catch {
      // A stream that broke is opened anew by whoever sounds.
      stream.abort(new Error('soundings ended'))
    }
  }

  forget(peer: PeerId): void {
    const way = this.#ways.get(peer)
    this.#ways.delete(peer)
    if (way !== undefined) wake(way)
  }

  close(): void {
    this.#closed = true
    for (const way of this.#ways.values()) wake(way)
    this.#ways.clear()
  }

  #wayTo(peer: PeerId): Way {
    let way = this.#ways.get(peer)
    if (way === undefined) {
      way = {
        flight: new Flight(),
        stream: null,
        opening: false,
        unsounded: 0,
        deafUntilMs: 0,
        waiting: new Set(),
      }
      this.#ways.set(peer, way)
    }
    return way
  }

  #sound(way: Way): void {
    if (way.stream?.writeStatus !== 'writable') return
    way.flight.sound(now())
    way.stream.send(Uint8Array.of(0))
  }

  #open(peer: PeerId, way: Way, bytes: number): void {
    way.unsounded += bytes
    if (way.opening || way.unsounded < SOUNDED_FROM_BYTES || now() < way.deafUntilMs) return
    way.opening = true
    this.#sounder(peer, way)
      .catch(() => {
        way.deafUntilMs = now() + DEAF_MS
      })
      .finally(() => {
        way.opening = false
        way.stream = null
        way.unsounded = 0
        way.flight = new Flight()
        wake(way)
      })
  }

  /** Ends with its stream. Like bulk it takes its turn on an emulated link, or it would overtake what it measures. */
  async #sounder(peer: PeerId, way: Way): Promise<void> {
    const connection = this.connectionTo(peer)
    if (connection === undefined) throw new Error('not connected')
    const stream = await connection.newStream(SOUNDING_PROTOCOL)
    this.#own.add(stream)
    this.#attach(stream, peer, 'bulk')
    way.stream = stream
    for await (const { byteLength } of source(stream)) {
      for (let i = 0; i < byteLength; i++) way.flight.back(now())
      if (way.flight.hasRoom) wake(way)
      else if (way.flight.isStuck) this.#sound(way)
    }
    await stream.close()
  }
}

function wake({ waiting }: Way): void {
  for (const go of waiting) go()
  waiting.clear()
}
