// Emulated links between clusters: a rate and a one-way delay on what leaves for a peer of another cluster.
import type { Stream } from '@libp2p/interface'
import type { PeerId } from '../../core/ids.js'
import type { LinkConfig } from '../../swarmfile/schema.js'

type Bytes = Parameters<Stream['send']>[0]
type Rate = Pick<LinkConfig, 'bytesPerSecond' | 'latencyMs'>
interface Parcel {
  readonly stream: Stream
  readonly data: Bytes
  readonly send: Stream['send']
}

/** Bytes of a stream that wait for its emulated link. */
const waiting = new WeakMap<Stream, number>()
export const emulatedBacklog = (stream: Stream): number => waiting.get(stream) ?? 0

/** The links of one peer: who is in which cluster, and one queue per peer that a link leads to. */
export class Links {
  readonly #places = new Map<PeerId, string>()
  readonly #queues = new Map<PeerId, LinkQueue>()

  constructor(
    private readonly configs: readonly LinkConfig[],
    private cluster: string,
  ) {}

  /** Moves this peer itself. */
  settle(cluster: string): void {
    this.cluster = cluster
  }

  place(peer: PeerId, cluster: string): void {
    this.#places.set(peer, cluster)
  }

  /** Whether bytes for this peer leave the cluster. */
  crosses(peer: PeerId): boolean {
    const place = this.#places.get(peer)
    return place !== undefined && place !== this.cluster
  }

  /** Sends over the emulated link, if there is one; false when the sender should wait for `drain`. */
  carry(peer: PeerId, urgent: boolean, stream: Stream, data: Bytes, send: Stream['send']): boolean {
    const link = this.#linkTo(peer)
    const queue = this.#queues.get(peer)
    if (link === null && (queue === undefined || queue.empty)) return send(data)
    return this.#queueTo(peer, link).push(urgent, stream, data, send)
  }

  /** Resolves once nothing of this stream waits for its link. */
  async flushed(stream: Stream): Promise<void> {
    while (emulatedBacklog(stream) > 0 && stream.status === 'open') await nextEvent(stream)
  }

  forget(peer: PeerId): void {
    this.#queues.get(peer)?.drop()
    this.#queues.delete(peer)
  }

  close(): void {
    for (const queue of this.#queues.values()) queue.drop()
    this.#queues.clear()
  }

  #linkTo(peer: PeerId): Rate | null {
    const there = this.#places.get(peer)
    const joins = ({ between: [a, b] }: LinkConfig) =>
      (a === this.cluster && b === there) || (a === there && b === this.cluster)
    return this.configs.find(joins) ?? null
  }

  #queueTo(peer: PeerId, link: Rate | null): LinkQueue {
    let queue = this.#queues.get(peer)
    if (queue === undefined) {
      queue = new LinkQueue()
      this.#queues.set(peer, queue)
    }
    if (link !== null) queue.rate = link
    return queue
  }
}

/** Above this a stream is told to wait: what 200 ms of a 10 Mbit/s line carry. */
const HIGH_WATER_BYTES = 256 * 1024

/** One direction of one link: parcels leave one after the other at the rate, urgent ones first. */
class LinkQueue {
  rate: Rate = { bytesPerSecond: Number.POSITIVE_INFINITY, latencyMs: 0 }
  readonly #urgent: Parcel[] = []
  readonly #rest: Parcel[] = []
  /** Left and not arrived, in the order of leaving; one timer for all, since timers do not keep order. */
  #flying: { readonly parcel: Parcel; readonly arrivesMs: number }[] = []
  /** When the last parcel has wholly left, ms of the monotonic clock. */
  #freeAtMs = 0
  #timer: NodeJS.Timeout | undefined

  get empty(): boolean {
    return this.#urgent.length + this.#rest.length + this.#flying.length === 0
  }

  push(urgent: boolean, stream: Stream, data: Bytes, send: Stream['send']): boolean {
    waiting.set(stream, emulatedBacklog(stream) + data.byteLength)
    ;(urgent ? this.#urgent : this.#rest).push({ stream, data, send })
    this.#pump()
    return emulatedBacklog(stream) <= HIGH_WATER_BYTES
  }

  drop(): void {
    clearTimeout(this.#timer)
    const flying = this.#flying.splice(0).map(({ parcel }) => parcel)
    for (const { stream, data } of [...flying, ...this.#urgent.splice(0), ...this.#rest.splice(0)]) {
      waiting.set(stream, emulatedBacklog(stream) - data.byteLength)
    }
  }

  #pump(): void {
    const nowMs = performance.now()
    this.#depart(nowMs)
    while (this.#flying.length > 0 && this.#flying[0].arrivesMs <= nowMs) {
      deliver(this.#flying.shift()!.parcel)
    }
    clearTimeout(this.#timer)
    const waits = this.#urgent.length + this.#rest.length > 0
    const nextMs = Math.min(this.#flying[0]?.arrivesMs ?? Infinity, waits ? this.#freeAtMs : Infinity)
    if (nextMs < Infinity) this.#timer = setTimeout(() => this.#pump(), Math.ceil(nextMs - nowMs))
  }

  /** Timers are no finer than a millisecond: what could leave within one leaves now. */
  #depart(nowMs: number): void {
    while (this.#freeAtMs < nowMs + 1) {
      const parcel = this.#urgent.shift() ?? this.#rest.shift()
      if (parcel === undefined) return
      this.#freeAtMs =
        Math.max(this.#freeAtMs, nowMs) + (parcel.data.byteLength / this.rate.bytesPerSecond) * 1000
      this.#flying.push({ parcel, arrivesMs: this.#freeAtMs + this.rate.latencyMs })
    }
  }
}

function deliver({ stream, data, send }: Parcel): void {
  waiting.set(stream, emulatedBacklog(stream) - data.byteLength)
  if (stream.writeStatus !== 'writable') return
  try {
    send(data)
  } catch {
    return // The stream closed between the check and the write; its 'close' event tells the rest.
  }
  if (emulatedBacklog(stream) <= HIGH_WATER_BYTES) stream.dispatchEvent(new Event('drain'))
}

function nextEvent(stream: Stream): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.removeEventListener('drain', done)
      stream.removeEventListener('close', done)
      resolve()
    }
    stream.addEventListener('drain', done)
    stream.addEventListener('close', done)
  })
}
