// Status: a stream that is opened is the question; a peer in a run answers with what it knows of it.
import type { Connection, Stream } from '@libp2p/interface'
import * as lengthPrefixed from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import { peerId } from '../core/ids.js'
import type { PeerStatus } from '../ports/status.js'
import { CONTROL_CAP_BYTES, decode, encode } from '../wire/codec.js'
import { peerStatusSchema } from '../wire/status.js'
import { asError } from './errors.js'
import { onlyFrame } from './hello.js'
import type { Meter } from './meter.js'
import { sink } from './streams.js'

export const STATUS_PROTOCOL = '/skein/status/1'
/** A peer that has not answered by then is overloaded or gone. */
const ANSWER_MS = 5_000

export class StatusDesk {
  #source: (() => PeerStatus) | null = null

  constructor(private readonly meter: Meter) {}

  /** From now on there is something to tell. */
  tell(source: () => PeerStatus): void {
    this.#source = source
  }

  /** Asks over a connection. Rejects if no answer comes, or one that is malformed. */
  async ask(connection: Connection): Promise<PeerStatus> {
    const signal = AbortSignal.timeout(ANSWER_MS)
    const stream = await connection.newStream(STATUS_PROTOCOL, { signal })
    const abort = () => stream.abort(new Error(`no answer within ${ANSWER_MS / 1000} s`))
    signal.addEventListener('abort', abort)
    try {
      const status = decode(await onlyFrame(stream), peerStatusSchema, CONTROL_CAP_BYTES)
      await stream.close()
      return status
    } catch (error) {
      stream.abort(asError(error))
      throw error
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  /** Answers whoever asks; a peer that is in no run yet ends the stream without a word. */
  readonly handle = async (stream: Stream, connection: Connection): Promise<void> => {
    this.meter.attach(stream, peerId(connection.remotePeer.toString()), 'control')
    try {
      if (this.#source !== null) await pipe([encode(this.#source())], lengthPrefixed.encode, sink(stream))
      await stream.close()
    } catch {
      // The asker is gone.
    }
  }
}
