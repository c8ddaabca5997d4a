// Hello: one question and one answer on a short stream, before a peer knows a run or is known in it.
import type { Connection, Stream } from '@libp2p/interface'
import * as lengthPrefixed from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import { type PeerId, peerId } from '../core/ids.js'
import type { Hello, HelloAnswer } from '../ports/mesh.js'
import { CONTROL_CAP_BYTES, decode, encode } from '../wire/codec.js'
import { helloAnswerSchema, helloSchema } from '../wire/schemas.js'
import { asError } from './errors.js'
import type { Meter } from './meter.js'
import { sink, source } from './streams.js'

export const HELLO_PROTOCOL = '/skein/hello/1'
/** A peer that has not answered by then is overloaded or gone; a heartbeat's worth of slow links fits. */
const ANSWER_MS = 10_000

export class Greeter {
  constructor(
    private readonly meter: Meter,
    private readonly answer: (from: PeerId, hello: Hello) => HelloAnswer,
    private readonly malformed: (from: PeerId, error: unknown) => void,
  ) {}

  /** Says hello over a connection. Rejects if no answer comes, or one that is malformed. */
  async greet(connection: Connection, hello: Hello): Promise<HelloAnswer> {
    const signal = AbortSignal.timeout(ANSWER_MS)
    const stream = await connection.newStream(HELLO_PROTOCOL, { signal })
    this.meter.attach(stream, peerId(connection.remotePeer.toString()), 'control')
    const abort = () => stream.abort(new Error(`no answer to hello within ${ANSWER_MS / 1000} s`))
    signal.addEventListener('abort', abort)
    try {
      await pipe([encode(hello)], lengthPrefixed.encode, sink(stream))
      const answer = decode(await onlyFrame(stream), helloAnswerSchema, CONTROL_CAP_BYTES)
      await stream.close()
      return answer
    } catch (error) {
      stream.abort(asError(error))
      throw error
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  /** Answers a hello. */
  readonly handle = async (stream: Stream, connection: Connection): Promise<void> => {
    const from = peerId(connection.remotePeer.toString())
    this.meter.attach(stream, from, 'control')
    let hello: Hello
    try {
      hello = decode(await onlyFrame(stream), helloSchema, CONTROL_CAP_BYTES)
    } catch (error) {
      this.malformed(from, error)
      stream.abort(asError(error))
      return
    }
    try {
      await pipe([encode(this.answer(from, hello))], lengthPrefixed.encode, sink(stream))
      await stream.close()
    } catch {
      // The asker is gone; it asks again when it is back.
    }
  }
}

/** The one frame of a short stream. */
export async function onlyFrame(stream: Stream): Promise<Uint8Array> {
  const frames = lengthPrefixed.decode(source(stream), { maxDataLength: CONTROL_CAP_BYTES })
  for await (const frame of frames) return frame.subarray()
  throw new Error('the stream ended before a frame came')
}
