// Control messages: one long-lived stream per direction and peer, in order, from a bounded queue.
import type { Connection, Stream } from '@libp2p/interface'
import * as lengthPrefixed from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import { type PeerId, peerId } from '../../core/ids.js'
import { CONTROL_CAP_BYTES } from '../../wire/codec.js'
import { asError } from '../errors.js'
import type { Meter } from '../flow/meter.js'
import { Queue } from '../flow/queue.js'
import { closed, room, sink, source } from '../flow/streams.js'

export const CONTROL_PROTOCOL = '/skein/control/1'
/** Messages that may wait for one peer: minutes of heartbeats, or a burst of ledger entries. */
const QUEUED_MESSAGES = 1024
/** Reopening starts with this pause and doubles it, up to the second. */
const REOPEN_MS = { first: 50, most: 5_000 } as const

interface Outbox {
  readonly queue: Queue<Uint8Array>
  stream: Stream | null
  readonly done: Promise<void>
}

export class Control {
  readonly #outboxes = new Map<PeerId, Outbox>()

  constructor(
    private readonly meter: Meter,
    private readonly connectionTo: (peer: PeerId) => Connection | undefined,
    private readonly deliver: (from: PeerId, bytes: Uint8Array) => void,
    /** A frame that announces more than the cap, or nonsense: the stream is of no use any more. */
    private readonly malformed: (from: PeerId, error: unknown) => void,
  ) {}

  /** Queues a message; an empty one is a sign of life. False if the queue is full or nobody is there. */
  send(peer: PeerId, bytes: Uint8Array): boolean {
    if (this.connectionTo(peer) === undefined) return false
    return this.#outbox(peer).queue.push(bytes)
  }

  /** Drops what waits for a peer that is gone. */
  forget(peer: PeerId): void {
    const outbox = this.#outboxes.get(peer)
    this.#outboxes.delete(peer)
    outbox?.queue.end()
    outbox?.stream?.abort(new Error('the peer is gone'))
  }

  /** Closes the stream to a peer: the next one takes the best connection there is. */
  move(peer: PeerId): void {
    const outbox = this.#outboxes.get(peer)
    outbox?.stream?.close().catch(() => {})
    outbox?.queue.wake()
  }

  /** Lets every queue run dry and closes the streams. */
  async flush(): Promise<void> {
    const outboxes = [...this.#outboxes.values()]
    for (const { queue } of outboxes) queue.end()
    await Promise.all(outboxes.map(({ done }) => done))
  }

  readonly handle = async (stream: Stream, connection: Connection): Promise<void> => {
    const from = peerId(connection.remotePeer.toString())
    this.meter.attach(stream, from, 'control')
    const framed = (bytes: ReturnType<typeof source>) =>
      lengthPrefixed.decode(bytes, { maxDataLength: CONTROL_CAP_BYTES })
    try {
      await pipe(source(stream), framed, async (frames) => {
        for await (const frame of frames) {
          if (frame.byteLength > 0) this.deliver(from, frame.subarray())
        }
      })
      await stream.close()
    } catch (error) {
      // A stream that broke says nothing of its peer; one that carries nonsense does.
      if (stream.status === 'open') this.malformed(from, error)
      stream.abort(asError(error))
    }
  }

  #outbox(peer: PeerId): Outbox {
    const known = this.#outboxes.get(peer)
    if (known !== undefined) return known
    const queue = new Queue<Uint8Array>(QUEUED_MESSAGES)
    const outbox: Outbox = { queue, stream: null, done: Promise.resolve() }
    this.#outboxes.set(peer, outbox)
    return Object.assign(outbox, { done: this.#drain(peer, outbox) })
  }

  /** Sends what is queued until the queue ends, over as many streams as it takes. */
  async #drain(peer: PeerId, outbox: Outbox): Promise<void> {
    for (let pauseMs: number = REOPEN_MS.first; ; pauseMs = Math.min(2 * pauseMs, REOPEN_MS.most)) {
      const connection = this.connectionTo(peer)
      if (connection === undefined) return
      try {
        const stream = await connection.newStream(CONTROL_PROTOCOL, { runOnLimitedConnection: true })
        this.meter.attach(stream, peer, 'control')
        outbox.stream = stream
        stream.addEventListener('close', () => outbox.queue.wake())
        const live = () => stream.writeStatus === 'writable'
        await pipe(outbox.queue.while(live), lengthPrefixed.encode, sink(stream))
        if (live()) {
          await room(stream, 0)
          await stream.close()
          // The peer closes its end when it has read everything; a connection cut before that loses the rest.
          await closed(stream)
          return
        }
      } catch {
        // The stream could not be opened or broke; while the peer is connected it is opened again.
      }
      if (this.#outboxes.get(peer) !== outbox || outbox.queue.finished) return
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }
}
