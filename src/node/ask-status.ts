// Asks a peer of a run how things stand, from outside of the run.
import type { PeerId, RunId } from '../core/ids.js'
import { UserError } from '../core/user-error.js'
import { keyPairOfIdentity } from '../network/door/signatures.js'
import { generateIdentity } from '../network/identity.js'
import { createMesh } from '../network/mesh.js'
import type { Mesh, MeshHandlers } from '../ports/mesh.js'
import type { PeerStatus } from '../ports/status.js'
import type { Invitation } from '../wire/certificates.js'
import { Membership } from './membership.js'
import { relayOn } from './reach.js'

/** Whoever only asks is told nothing else, and belongs to no run. */
export const deaf: MeshHandlers = {
  message: () => {},
  fits: () => false,
  contribution: () => {},
  incomplete: () => {},
  connected: () => {},
  disconnected: () => {},
  transferring: () => {},
  refused: () => {},
  hello: () => ({ accepted: false, reason: 'it only asks for the status of a run', later: false }),
}

/** Where to ask, and what a ticket says beside that. */
export interface Asked {
  readonly addresses: readonly string[]
  readonly run: RunId | null
  readonly invitation: Invitation | null
  /** Key of a private network; null for none. */
  readonly psk: Uint8Array | null
}

/**
 * What the first peer that answers at one of these multiaddrs knows of its run; where that is not open to everyone,
 * it is told to who has a ticket.
 *
 * @throws UserError that says of each address why it gave no answer
 */
export async function askStatus({ addresses, run, invitation, psk }: Asked): Promise<PeerStatus> {
  const privateKey = await generateIdentity()
  const door =
    invitation === null
      ? null
      : await Membership.of({
          self: keyPairOfIdentity(privateKey),
          run,
          invitation,
          chain: null,
          keep: () => {},
          now: Date.now,
        })
  const mesh = await createMesh({
    privateKey,
    door,
    listen: [],
    psk,
    // Also by way of a relay, and over websockets.
    reach: { relays: [...new Set(addresses.flatMap(relayOn))], relayBytesPerSecond: null, upnp: false },
    mdns: false,
    handlers: deaf,
    links: [],
    cluster: '',
    log: () => {},
  })
  const failures: string[] = []
  try {
    for (const address of addresses) {
      try {
        const peer = await mesh.dial(address)
        await introduce(mesh, peer)
        return await mesh.status(peer)
      } catch (error) {
        if (error instanceof UserError && error.kind === 'usage') throw error
        failures.push(`${address}: ${(error as Error).message}`)
      }
    }
  } finally {
    await mesh.close()
  }
  throw new UserError(
    'network',
    `no peer told its status: ${failures.join('; ')}`,
    'check that the peer is up and in its run, and the address current; a run that is not open to everyone tells it to who gives a ticket; a run on this machine tells it by its folder, as in skein status runs/trio',
  )
}

/** Only who is let in is told anything. */
async function introduce(mesh: Mesh, peer: PeerId): Promise<void> {
  const answer = await mesh.hello(peer, { run: null, config: null, name: 'status' })
  if (!answer.accepted) throw new Error(answer.reason)
}
