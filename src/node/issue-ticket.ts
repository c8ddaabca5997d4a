// A ticket made in a member's folder: its key signs the invitation, whether it runs or not.
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import type { PeerId } from '../core/ids.js'
import { UserError } from '../core/user-error.js'
import { keyPairOfIdentity } from '../network/door/signatures.js'
import { ticketAddresses } from '../network/reach/ticket-addresses.js'
import { sha256 } from '../platform/sha256.js'
import { type PeerPaths, runPaths } from '../store/run-paths.js'
import { errorCode, storeError } from '../store/store-error.js'
import { runIdOf } from '../swarmfile/genesis.js'
import { MAX_CHAIN } from '../wire/certificates.js'
import { writeTicket } from '../wire/ticket.js'
import { loadGenesis } from './founding.js'
import { loadChain } from './kept-membership.js'
import { invite } from './membership.js'

export interface Issued {
  readonly ticket: string
  /** Names the invitation, to revoke it by; null in a run that is open to everyone. */
  readonly invitation: PeerId | null
  readonly run: string
  readonly expires: number | null
}

/**
 * Makes a ticket.
 *
 * @param addresses where peers of the run can be reached; the ticket names a few of every kind
 * @param expires ms since 1970; null for never
 * @throws UserError if the folder holds no run, or its peer is no member of it
 */
export async function issueTicket(
  folder: string,
  paths: PeerPaths,
  addresses: readonly string[],
  expires: number | null,
): Promise<Issued> {
  const genesis = await loadGenesis(runPaths(folder).genesis)
  if (genesis === null)
    throw new UserError(
      'storage',
      `${folder} holds no ${basename(runPaths(folder).genesis)}: no peer of it has entered a run yet`,
      'wait until a peer of this folder has joined its run, or name another folder',
    )
  const run = runIdOf(genesis, sha256)
  const some = ticketAddresses(addresses)
  if (genesis.run.membership === 'open') {
    const ticket = writeTicket({ run, name: genesis.name, addresses: some, invitation: null })
    return { ticket, invitation: null, run, expires: null }
  }
  const self = keyPairOfIdentity(await keyOf(paths.key))
  const chain = self.id === genesis.founder ? [] : await loadChain(paths.membership)
  if (chain === null)
    throw new UserError(
      'refused',
      `the peer of ${paths.root} is no member of its run: it holds no certificates`,
      'let it join the run first, or take the folder of a peer that has',
    )
  const invitation = await invite(run, self, chain, expires)
  if (invitation === null)
    throw new UserError(
      'refused',
      `the peer of ${paths.root} is too far from the founder to invite others: ${MAX_CHAIN} members vouched for each other before it`,
      'take the folder of a peer that joined earlier; meeting one of those while it runs shortens the chain of this one',
    )
  const ticket = writeTicket({ run, name: genesis.name, addresses: some, invitation })
  return { ticket, invitation: invitation.chain.at(-1)?.holder ?? null, run, expires }
}

async function keyOf(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw storeError('read', path, error)
    throw new UserError(
      'storage',
      `there is no key ${path}, so that nothing can be signed`,
      'restore the key from a copy, or take the folder of another peer of the run',
    )
  }
}
