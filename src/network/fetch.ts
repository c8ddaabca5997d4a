// The taking side of bulk transfers: from one donor after the other, resuming where the last one stopped.
import { createHash, type Hash as Digest } from 'node:crypto'
import type { Connection, Stream } from '@libp2p/interface'
import * as lengthPrefixed from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import type { Hash, PeerId, RunId } from '../core/ids.js'
import { UserError } from '../core/user-error.js'
import type { BulkName } from '../ports/mesh.js'
import { CONTROL_CAP_BYTES, decode, encode } from '../wire/codec.js'
import { bulkAnswerSchema } from '../wire/frames.js'
import { WINDOW_BYTES, Window } from './credit.js'
import { BULK_FRAME_BYTES, BULK_PROTOCOL } from './donor.js'
import { asError, messageOf } from './errors.js'
import type { Meter } from './meter.js'
import { Queue } from './queue.js'
import { sink, source } from './streams.js'

/** More than any model that fits the wire formats; a donor's claim above it is not believed. */
const MOST_BYTES = 2 ** 32
/** Time for a donor to answer at all, before any rate is known. */
const ANSWER_MS = 15_000
/** Credits waiting to be sent; each stands for a quarter of a window, so there are never many. */
const QUEUED_CREDITS = 64

/** What has arrived so far, and from whom. */
interface Download {
  readonly bytes: Uint8Array
  readonly digest: Digest
  received: number
  readonly givers: Set<PeerId>
}

export class Fetcher {
  readonly #streams = new Set<Stream>()
  #closed = false

  constructor(
    private readonly meter: Meter,
    private readonly connect: (peer: PeerId) => Promise<Connection>,
    private readonly refused: (from: PeerId, what: string, reason: string) => void,
  ) {}

  /**
   * Bytes whose SHA-256 is `expected`. Without a digest the bytes of two donors are never mixed.
   * @throws UserError naming what every donor answered
   */
  async fetch(
    run: RunId,
    name: BulkName,
    donors: readonly PeerId[],
    expected: Hash | null,
  ): Promise<Uint8Array> {
    const failures: string[] = []
    const waiting = [...donors]
    let download: Download | null = null
    for (let donor = waiting.shift(); donor !== undefined; donor = waiting.shift()) {
      if (this.#closed) throw new Error('the network is closed')
      try {
        download = await this.#pull(run, name, donor, download, (started) => {
          download = started
        })
      } catch (error) {
        failures.push(`${donor}: ${messageOf(error)}`)
        if (expected === null) download = null
        continue
      }
      const digest = download.digest.digest('hex')
      if (expected === null || digest === expected) return download.bytes
      const givers = [...download.givers]
      download = null
      const reason = `its SHA-256 is ${digest.slice(0, 12)}..., not ${expected.slice(0, 12)}...`
      failures.push(`${givers.join(' and ')}: ${reason}`)
      // From one donor it is that donor's fault; of several, each is asked for the whole by itself.
      if (givers.length === 1) this.refused(givers[0], describe(name), reason)
      else waiting.push(...givers)
    }
    throw new UserError(
      'network',
      `could not fetch ${describe(name)}: ${failures.length === 0 ? 'no donors were given' : failures.join('; ')}`,
      'check that the peers that hold it are running and can be reached; it is asked for again when one is',
    )
  }

  close(): void {
    this.#closed = true
    for (const stream of this.#streams) stream.abort(new Error('the network is closed'))
  }

  /** Continues `download`, or starts; resolves when everything has come. */
  async #pull(
    run: RunId,
    name: BulkName,
    donor: PeerId,
    download: Download | null,
    started: (download: Download) => void,
  ): Promise<Download> {
    const connection = await this.connect(donor)
    const stream = await connection.newStream(BULK_PROTOCOL, { signal: AbortSignal.timeout(ANSWER_MS) })
    this.#streams.add(stream)
    this.meter.attach(stream, donor, 'bulk')
    // Never full: the donor is only allowed a window. The margin is for its answer.
    stream.maxReadBufferLength = 2 * WINDOW_BYTES.most
    const requests = new Queue<Uint8Array>(QUEUED_CREDITS)
    stream.addEventListener('close', () => requests.wake())
    const window = new Window(() => performance.now())
    const watch = new Watchdog(stream)
    const offset = download?.received ?? 0
    requests.push(encode({ run, name, offset, credit: window.first }))
    const sending = pipe(
      requests.while(() => stream.writeStatus === 'writable'),
      lengthPrefixed.encode,
      sink(stream),
    )
    // Its failure shows on the reading side too; this keeps it from being unhandled until then.
    sending.catch(() => {})
    try {
      watch.expect(ANSWER_MS)
      const frames = lengthPrefixed.decode(source(stream), { maxDataLength: BULK_FRAME_BYTES })
      const state = await this.#receive(frames, donor, download, started, (bytes) => {
        const credit = window.received(bytes)
        if (credit > 0) requests.push(encode({ credit }))
        watch.expect(window.patienceMs)
      })
      requests.end()
      await sending
      await stream.close()
      return state
    } catch (error) {
      stream.abort(asError(error))
      throw watch.fired ?? error
    } finally {
      watch.stop()
      requests.end()
      this.#streams.delete(stream)
    }
  }

  async #receive(
    frames: AsyncIterable<{ subarray(): Uint8Array; byteLength: number }>,
    donor: PeerId,
    download: Download | null,
    started: (download: Download) => void,
    received: (bytes: number) => void,
  ): Promise<Download> {
    let state: Download | null = null
    for await (const frame of frames) {
      if (state === null) {
        state = begin(frame.subarray(), download)
        started(state)
      } else {
        if (state.received + frame.byteLength > state.bytes.byteLength) {
          throw new Error('it sent more than it announced')
        }
        const bytes = frame.subarray()
        state.bytes.set(bytes, state.received)
        state.digest.update(bytes)
        state.received += bytes.byteLength
        state.givers.add(donor)
        received(bytes.byteLength)
      }
      if (state.received === state.bytes.byteLength) return state
    }
    throw new Error(state === null ? 'it closed without an answer' : `it stopped at byte ${state.received}`)
  }
}

function begin(answerBytes: Uint8Array, download: Download | null): Download {
  const answer = decode(answerBytes, bulkAnswerSchema, CONTROL_CAP_BYTES)
  if (!answer.found) throw new Error(answer.reason)
  if (answer.bytes > MOST_BYTES) throw new Error(`it announces ${answer.bytes} bytes, no model has as many`)
  if (download === null) {
    return {
      bytes: new Uint8Array(answer.bytes),
      digest: createHash('sha256'),
      received: 0,
      givers: new Set(),
    }
  }
  if (download.bytes.byteLength !== answer.bytes) {
    throw new Error(`it holds ${answer.bytes} bytes where the last donor had ${download.bytes.byteLength}`)
  }
  return download
}

function describe(name: BulkName): string {
  switch (name.kind) {
    case 'theta':
      return `theta of version ${name.version}`
    case 'snapshot':
      return `the snapshot of version ${name.version}`
    case 'payload':
      return `the payload ${name.hash.slice(0, 12)}...`
    case 'corpus':
      return 'the corpus'
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
