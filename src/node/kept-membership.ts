// The certificates of a peer in its folder: by them it is let in again, without a ticket.
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { PeerId, RunId } from '../core/ids.js'
import { keyPairOfIdentity } from '../network/door/signatures.js'
import { sha256 } from '../platform/sha256.js'
import { peerPaths } from '../store/run-paths.js'
import { errorCode, StoreError, storeError } from '../store/store-error.js'
import { type Genesis, runIdOf } from '../swarmfile/genesis.js'
import { type Chain, certify, chainSchema, MAX_CHAIN, packChain, unpackChain } from '../wire/certificates.js'
import { CONTROL_CAP_BYTES, decode, encode, MalformedMessage } from '../wire/codec.js'

/** Null where there are none. @throws StoreError */
export async function loadChain(path: string): Promise<Chain | null> {
  const bytes = await readIfThere(path)
  if (bytes === null) return null
  try {
    return unpackChain(decode(bytes, chainSchema, CONTROL_CAP_BYTES))
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error
    throw new StoreError(
      path,
      `${path} holds no certificates: ${error.reason}`,
      'remove the file, and start the peer with a ticket of its run',
    )
  }
}

/**
 * A peer that lost its folder is vouched for by another one of the same run folder: who may read that one's key could
 * make a ticket with it. Null where none is a member.
 */
export async function chainFromFolder(root: string, genesis: Genesis, holder: PeerId): Promise<Chain | null> {
  const run = runIdOf(genesis, sha256)
  for (const name of await readdir(dirname(peerPaths(root, 'any').root))) {
    const { key, membership } = peerPaths(root, name)
    const bytes = await readIfThere(key)
    if (bytes === null || bytes.byteLength === 0) continue
    const member = keyPairOfIdentity(bytes)
    const chain = member.id === genesis.founder ? [] : await loadChain(membership)
    if (chain === null || member.id === holder || chain.length >= MAX_CHAIN) continue
    const body = { holder, kind: 'member', expires: null, through: chain.at(-1)?.through ?? null } as const
    return [...chain, certify(run, member.id, body, member.sign)]
  }
  return null
}

export function keepChain(path: string, chain: Chain): Promise<void> {
  return writeFile(path, encode(packChain(chain)))
}

/** A peer that goes on under a new key vouches for it with the old one. Null where it is too far from the founder. */
export function handOver(run: RunId, oldKey: Uint8Array, chain: Chain, newKey: Uint8Array): Chain | null {
  if (chain.length >= MAX_CHAIN) return null
  const [before, after] = [keyPairOfIdentity(oldKey), keyPairOfIdentity(newKey)]
  const through = chain.at(-1)?.through ?? null
  const body = { holder: after.id, kind: 'member', expires: null, through } as const
  return [...chain, certify(run, before.id, body, before.sign)]
}

async function readIfThere(path: string): Promise<Uint8Array | null> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return null
    throw storeError('read', path, error)
  }
}
