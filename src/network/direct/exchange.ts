// One question and one answer on a short stream of its own: what peers say to each other besides the run's messages.
import type { Connection, Stream } from '@libp2p/interface'
import * as lengthPrefixed from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import type { z } from 'zod'
import { peerId } from '../../core/ids.js'
import { CONTROL_CAP_BYTES, decode, encode } from '../../wire/codec.js'
import { asError } from '../errors.js'
import type { Meter } from '../flow/meter.js'
import { sink, source } from '../flow/streams.js'

/** A peer that has not answered by then is overloaded or gone; a heartbeat's worth of slow links fits. */
const ANSWER_MS = 10_000

/**
 * Asks over a connection. Rejects if no answer comes, or one that is malformed.
 *
 * @param question undefined where opening the stream is the question
 */
export async function ask<Answer>(
  connection: Connection,
  protocol: string,
  question: unknown,
  schema: z.ZodType<Answer>,
  meter: Meter,
): Promise<Answer> {
  const signal = AbortSignal.timeout(ANSWER_MS)
  const stream = await connection.newStream(protocol, { signal, runOnLimitedConnection: true })
  meter.attach(stream, peerId(connection.remotePeer.toString()), 'control')
  const abort = () => stream.abort(new Error(`no answer within ${ANSWER_MS / 1000} s`))
  signal.addEventListener('abort', abort)
  try {
    if (question !== undefined) await say(stream, question)
    const answer = await hear(stream, schema)
    await stream.close()
    return answer
  } catch (error) {
    stream.abort(asError(error))
    throw error
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** Writes one frame. */
export async function say(stream: Stream, value: unknown): Promise<void> {
  await pipe([encode(value)], lengthPrefixed.encode, sink(stream))
}

/** Reads one frame. @throws MalformedMessage if it is not as the schema says */
export async function hear<T>(stream: Stream, schema: z.ZodType<T>): Promise<T> {
  const frames = lengthPrefixed.decode(source(stream), { maxDataLength: CONTROL_CAP_BYTES })
  for await (const frame of frames) return decode(frame.subarray(), schema, CONTROL_CAP_BYTES)
  throw new Error('the stream ended before a frame came')
}
