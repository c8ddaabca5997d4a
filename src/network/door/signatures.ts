// Ed25519 by libp2p's code: the keys that peers have, and those of invitations.
import '../polyfill.js'
import { generateKeyPairFromSeed, privateKeyFromProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import { type PeerId, peerId } from '../../core/ids.js'
import type { Sign, Verify } from '../../wire/certificates.js'

export interface KeyPair {
  /** The public key, in the form of a peer id. */
  readonly id: PeerId
  readonly sign: Sign
}

/** The key pair that 32 random bytes stand for. */
export async function keyPairOfSeed(seed: Uint8Array): Promise<KeyPair> {
  return keyPairOf(await generateKeyPairFromSeed('Ed25519', seed))
}

/** The key pair of a peer, from what `generateIdentity` made. */
export const keyPairOfIdentity = (privateKey: Uint8Array): KeyPair =>
  keyPairOf(privateKeyFromProtobuf(privateKey))

/** False also for a peer id that holds no key, and for a signature of another length. */
export const verifySignature: Verify = (by, bytes, signature) => {
  try {
    const result = peerIdFromString(by).publicKey?.verify(bytes, signature)
    return result === true
  } catch {
    return false
  }
}

function keyPairOf(key: PrivateKey): KeyPair {
  const sign: Sign = (bytes) => {
    const signature = key.sign(bytes)
    if (!(signature instanceof Uint8Array)) throw new Error('Only Ed25519 keys sign at once.')
    return new Uint8Array(signature)
  }
  return { id: peerId(peerIdFromPrivateKey(key as never).toString()), sign }
}
