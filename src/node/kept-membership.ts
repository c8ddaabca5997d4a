// The certificates of a peer in its folder: by them it is let in again, without a ticket.
import { readFile, writeFile } from 'node:fs/promises'
import type { RunId } from '../core/ids.js'
import { keyPairOfIdentity } from '../network/signatures.js'
import { errorCode, StoreError, storeError } from '../store/store-error.js'
import { type Chain, certify, chainSchema, MAX_CHAIN, packChain, unpackChain } from '../wire/certificates.js'
import { CONTROL_CAP_BYTES, decode, encode, MalformedMessage } from '../wire/codec.js'

/** Null where there are none. @throws StoreError */
export async function loadChain(path: string): Promise<Chain | null> {
  let bytes: Uint8Array
  try {
    bytes = new Uint8Array(await readFile(path))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw storeError('read', path, error)
  }
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
