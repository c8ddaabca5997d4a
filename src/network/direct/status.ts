// Status: a stream that is opened is the question; a peer in a run answers with what it knows of it.
import type { Connection, Stream } from '@libp2p/interface'
import { peerId } from '../../core/ids.js'
import type { PeerStatus } from '../../ports/status.js'
import { peerStatusSchema } from '../../wire/status.js'
import type { Meter } from '../flow/meter.js'
import { ask, say } from './exchange.js'

export const STATUS_PROTOCOL = '/skein/status/1'

export class StatusDesk {
  #source: (() => PeerStatus) | null = null

  constructor(private readonly meter: Meter) {}

  /** From now on there is something to tell. */
  tell(source: () => PeerStatus): void {
    this.#source = source
  }

  /** Asks over a connection. Rejects if no answer comes, or one that is malformed. */
  ask(connection: Connection): Promise<PeerStatus> {
    return ask(connection, STATUS_PROTOCOL, undefined, peerStatusSchema, this.meter)
  }

  /** Answers whoever asks; a peer that is in no run yet ends the stream without a word. */
  readonly handle = async (stream: Stream, connection: Connection): Promise<void> => {
    this.meter.attach(stream, peerId(connection.remotePeer.toString()), 'control')
    try {
      if (this.#source !== null) await say(stream, this.#source())
      await stream.close()
    } catch {
      // The asker is gone.
    }
  }
}
