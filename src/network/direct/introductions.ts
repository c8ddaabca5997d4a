// Peer exchange: a stream that is opened is the question, the answer where other members of the run are.
import type { Connection, Stream } from '@libp2p/interface'
import { z } from 'zod'
import { type PeerId, peerId } from '../../core/ids.js'
import type { Address } from '../../core/messages.js'
import { addressesSchema, peerIdSchema } from '../../wire/fields.js'
import type { Meter } from '../flow/meter.js'
import { ask, say } from './exchange.js'

export const PEERS_PROTOCOL = '/skein/peers/1'
/** Peers of one answer: with 4 addresses each they stay below the size of a control message. */
const MOST_PEERS = 64
const MOST_ADDRESSES = 4

const peersSchema = z
  .array(z.strictObject({ peer: peerIdSchema, addresses: addressesSchema }))
  .max(MOST_PEERS)

export class Introductions {
  #source: (() => readonly Address[]) | null = null

  constructor(
    private readonly meter: Meter,
    /** Peers of other runs are told nothing. */
    private readonly welcomes: (peer: PeerId) => boolean,
  ) {}

  /** From now on there is something to tell. */
  tell(source: () => readonly Address[]): void {
    this.#source = source
  }

  /** Asks over a connection. Rejects if no answer comes, or one that is malformed. */
  ask(connection: Connection): Promise<readonly Address[]> {
    return ask(connection, PEERS_PROTOCOL, undefined, peersSchema, this.meter)
  }

  readonly handle = async (stream: Stream, connection: Connection): Promise<void> => {
    const asker = peerId(connection.remotePeer.toString())
    this.meter.attach(stream, asker, 'control')
    const known = this.welcomes(asker) ? (this.#source?.() ?? []) : []
    const told = known
      .filter(({ addresses }) => addresses.length > 0)
      .slice(0, MOST_PEERS)
      .map(({ peer, addresses }) => ({ peer, addresses: addresses.slice(0, MOST_ADDRESSES) }))
    try {
      await say(stream, told)
      await stream.close()
    } catch {
      // The asker is gone.
    }
  }
}
