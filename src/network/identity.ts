// Identities: the private key that makes a peer who it is, and the peer that a key makes.
import './polyfill.js'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { type PeerId, peerId } from '../core/ids.js'

/** A new identity, to be kept. */
export async function generateIdentity(): Promise<Uint8Array> {
  return privateKeyToProtobuf(await generateKeyPair('Ed25519'))
}

/** The peer that has this private key. */
export function identityOf(privateKey: Uint8Array): PeerId {
  return peerId(peerIdFromPrivateKey(privateKeyFromProtobuf(privateKey)).toString())
}
