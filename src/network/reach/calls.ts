// Calls for which somebody waits: at an address that a person gave, and to a peer from which something is to be fetched.
import type { Connection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type PeerId, peerId } from '../../core/ids.js'
import { UserError } from '../../core/user-error.js'
import type { Attempt } from '../../ports/paths.js'
import { addressFrom, incomplete } from '../address.js'
import type { Connections } from '../connections.js'
import type { Doorkeeper } from '../door/doorkeeper.js'
import type { Gate } from '../door/gate.js'
import type { Presence } from '../door/presence.js'
import { innermost } from '../errors.js'
import type { Attempts } from './attempts.js'
import type { Rejoin } from './rejoin.js'

export interface CallsParts {
  readonly connections: Connections
  readonly presence: Presence
  readonly gate: Gate
  /** Null where whoever comes is let in. */
  readonly doorkeeper: Doorkeeper | null
  readonly rejoin: Rejoin
  readonly attempts: Attempts
}

export class Calls {
  constructor(private readonly parts: CallsParts) {}

  /** @throws UserError that says what failed, and for which address */
  async at(address: string): Promise<PeerId> {
    const { connections, rejoin, attempts } = this.parts
    const target = addressFrom(address)
    const beganMs = performance.now()
    const attempt = (peer: PeerId | null, outcome: Attempt['outcome'], reason: string): Attempt => {
      return { peer, address, by: 'ticket', outcome, reason, ms: Math.round(performance.now() - beganMs) }
    }
    try {
      const { remotePeer } = await connections.dial(target)
      const peer = peerId(remotePeer.toString())
      rejoin.reached(peer, address)
      attempts.note(attempt(peer, 'connected', ''))
      return peer
    } catch (error) {
      attempts.note(attempt(null, 'failed', innermost(error)))
      if (error instanceof Error && error.name === 'NoValidAddressesError') throw incomplete(address)
      throw new UserError(
        'network',
        `cannot reach ${address}: ${innermost(error)}`,
        'check that the peer is running, that the address is current, and that no firewall is in between',
        { cause: error },
      )
    }
  }

  /** The connection to a peer that lets this one in; if there is none yet, it is called at these addresses, too. */
  async to(peer: PeerId, addresses: readonly string[]): Promise<Connection> {
    const { connections, presence, gate, doorkeeper, rejoin } = this.parts
    const connection = presence.connectionTo(peer)
    if (connection !== undefined) return connection
    if (gate.isBanned(peer)) throw new Error('it was cut off')
    const known = rejoin.waysTo(peer, addresses)
    const dialled = await connections.dial(known.length > 0 ? known : peerIdFromString(peer))
    if (doorkeeper !== null && !(await doorkeeper.admission(peer)))
      throw new Error('it does not let this peer in')
    return dialled
  }
}
