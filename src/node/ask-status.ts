// Asks a peer of a run how things stand, from outside of the run.
import { UserError } from '../core/user-error.js'
import { createMesh, generateIdentity } from '../network/mesh.js'
import type { MeshHandlers } from '../ports/mesh.js'
import type { PeerStatus } from '../ports/status.js'

/** Whoever only asks is told nothing else, and belongs to no run. */
const deaf: MeshHandlers = {
  message: () => {},
  contribution: () => {},
  incomplete: () => {},
  connected: () => {},
  disconnected: () => {},
  transferring: () => {},
  refused: () => {},
  hello: () => ({ accepted: false, reason: 'it only asks for the status of a run', later: false }),
}

/**
 * What the first peer that answers at one of these multiaddrs knows of its run.
 *
 * @throws UserError that says of each address why it gave no answer
 */
export async function askStatus(addresses: readonly string[]): Promise<PeerStatus> {
  const mesh = await createMesh({
    privateKey: await generateIdentity(),
    listen: [],
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
        return await mesh.status(await mesh.dial(address))
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
    'check that the peer is up and in its run, and the address current; a run on this machine tells it by its folder, as in skein status runs/trio',
  )
}
