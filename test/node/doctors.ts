// A member of a run for the tests of who examines whether it could join.
import { randomBytes } from 'node:crypto'
import type { PeerId } from '../../src/core/ids.js'
import { keyPairOfIdentity } from '../../src/network/door/signatures.js'
import { generateIdentity } from '../../src/network/identity.js'
import { Membership } from '../../src/node/membership.js'
import { sha256 } from '../../src/platform/sha256.js'
import { type Genesis, runIdOf } from '../../src/swarmfile/genesis.js'
import { runSchema } from '../../src/swarmfile/schema.js'
import { writeTicket } from '../../src/wire/ticket.js'
import { startPeer } from '../network/peers.js'

export function genesisOf(founder: PeerId): Genesis {
  return {
    format: 1,
    name: 'trio',
    run: runSchema.parse({ data: { corpus: 'elsewhere.txt' } }),
    data: { content: 'a'.repeat(64), vocabulary: 256, trainTokens: 900, heldOutTokens: 100 },
    clusters: [{ name: 'lake' }],
    founder,
    nonce: randomBytes(8).toString('hex'),
  }
}

/** A member of a run that lets in only who has a ticket, and such tickets. */
export async function hosting(psk: Uint8Array | null = null) {
  const privateKey = await generateIdentity()
  const door = await Membership.of({
    self: keyPairOfIdentity(privateKey),
    run: null,
    invitation: null,
    chain: null,
    keep: () => {},
    now: Date.now,
  })
  const { mesh } = await startPeer({ privateKey, door, run: null, psk })
  const genesis = genesisOf(mesh.self)
  const of = runIdOf(genesis, sha256)
  door.enter(genesis, () => ({ leader: null, leaderAddresses: [] }))
  mesh.enter(of, 'lake')
  const ticket = async (expires: number) =>
    writeTicket({
      run: of,
      name: 'trio',
      addresses: mesh.addresses(),
      invitation: await door.invite(expires),
    })
  return { mesh, ticket }
}
