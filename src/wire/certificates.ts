// Who belongs to a run, proved offline: a chain of signed certificates from the founder's key to a peer or an invitation.
import { z } from 'zod'
import type { Passage } from '../core/entries.js'
import type { PeerId, RunId } from '../core/ids.js'
import { fromBase58, toBase58 } from './base58.js'
import { encode } from './codec.js'

/** Says of a key that it is a member's, or an invitation's; signed by the holder of the certificate before it. */
export interface Certificate {
  /** Whose key it is: a peer's, or that of an invitation, whose private half is in a ticket. */
  readonly holder: PeerId
  /** A member may invite others and vouch for them; an invitation only lets its bearer in. */
  readonly kind: 'member' | 'invitation'
  /** ms since 1970 from which on it is void; null for never. */
  readonly expires: number | null
  /** How a member came in; null for an invitation. */
  readonly through: Passage | null
  readonly signature: Uint8Array
}
/** The first is signed by the founder, each other one by the holder of the one before; empty for the founder itself. */
export type Chain = readonly Certificate[]

/** A member's way to let others in: an invitation's private key, and the chain that ends with it. */
export interface Invitation {
  /** 32 bytes from which the invitation's key pair follows. */
  readonly seed: Uint8Array
  readonly chain: Chain
}

export type Sign = (bytes: Uint8Array) => Uint8Array
/** Whether a signature of these bytes is by the key that a peer id holds. */
export type Verify = (by: PeerId, bytes: Uint8Array, signature: Uint8Array) => boolean

/** Longest chain: one certificate for each member that vouched for the next. A ticket with the longest is 1,500 characters. */
export const MAX_CHAIN = 8
/** Clocks of machines that are set by the network differ by less. */
export const CLOCK_TOLERANCE_MS = 5 * 60_000

/** Why a chain proves nothing. */
export type Flaw =
  | { readonly kind: 'forged' }
  | { readonly kind: 'expired'; readonly at: number }
  | { readonly kind: 'revoked'; readonly who: PeerId }

export interface Proved {
  /** Who signed the last certificate; the founder for an empty chain. */
  readonly by: PeerId
  readonly holder: PeerId
  readonly kind: Certificate['kind']
  readonly through: Passage | null
}

export interface Grounds {
  readonly run: RunId
  readonly founder: PeerId
  readonly verify: Verify
  /** Of a peer or an invitation: it was revoked. */
  readonly isRevoked: (who: PeerId) => boolean
  /** This machine's clock, ms since 1970. */
  readonly now: number
}

/** Signs what a certificate says, in a run and by nobody but the signer. */
export function certify(
  run: RunId,
  by: PeerId,
  body: Omit<Certificate, 'signature'>,
  sign: Sign,
): Certificate {
  return { ...body, signature: sign(statement(run, by, body)) }
}

/**
 * What a chain proves. A forged certificate is found before an expired or revoked one is spoken of: only who was
 * invited once is told that much. Whatever a revoked peer signed, or came in through a revoked invitation, is void.
 */
export function verifyChain(chain: Chain, grounds: Grounds): Proved | Flaw {
  const { run, founder, verify, isRevoked, now } = grounds
  if (chain.length > MAX_CHAIN) return { kind: 'forged' }
  let proved: Proved = { by: founder, holder: founder, kind: 'member', through: null }
  for (const certificate of chain) {
    if (proved.kind !== 'member') return { kind: 'forged' }
    const { holder, kind, through, signature } = certificate
    if (!verify(proved.holder, statement(run, proved.holder, certificate), signature))
      return { kind: 'forged' }
    proved = { by: proved.holder, holder, kind, through }
  }
  for (const { holder, through } of [{ holder: founder, through: null }, ...chain]) {
    if (isRevoked(holder)) return { kind: 'revoked', who: holder }
    if (through !== null && isRevoked(through.invitation)) return { kind: 'revoked', who: through.invitation }
  }
  for (const { expires } of chain)
    if (expires !== null && now > expires + CLOCK_TOLERANCE_MS) return { kind: 'expired', at: expires }
  return proved
}

export const isFlaw = (result: Proved | Flaw): result is Flaw =>
  result.kind === 'forged' || result.kind === 'expired' || result.kind === 'revoked'

/** Bytes in front of the key in an Ed25519 peer id: an identity hash of a protobuf with type and length. */
const PEER_ID_PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)
const KEY_BYTES = 32
const SIGNATURE_BYTES = 64

/** The peer id of an Ed25519 public key. */
export const peerIdOfKey = (key: Uint8Array): PeerId =>
  toBase58(Uint8Array.of(...PEER_ID_PREFIX, ...key)) as PeerId

/** The Ed25519 public key in a peer id. @throws RangeError if it holds another kind of key */
export function keyOfPeerId(peer: PeerId): Uint8Array {
  const bytes = fromBase58(peer)
  if (
    bytes === null ||
    bytes.byteLength !== PEER_ID_PREFIX.byteLength + KEY_BYTES ||
    PEER_ID_PREFIX.some((byte, i) => bytes[i] !== byte)
  )
    throw new RangeError(`${peer} holds no Ed25519 key`)
  return bytes.slice(PEER_ID_PREFIX.byteLength)
}

/** Byte arrays of one length. */
export const bytesOf = (length: number) =>
  z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.byteLength === length,
    `not ${length} bytes`,
  )
const keySchema = bytesOf(KEY_BYTES)

export const seedSchema = bytesOf(KEY_BYTES)
export const signatureSchema = bytesOf(SIGNATURE_BYTES)

/** Keys instead of peer ids, and no names of fields: a third of the size. */
const packedSchema = z.tuple([
  keySchema,
  z.enum(['member', 'invitation']),
  z.int().nonnegative().nullable(),
  z.tuple([keySchema, keySchema]).nullable(),
  signatureSchema,
])

/** A chain as it travels. */
export const chainSchema = z.array(packedSchema).max(MAX_CHAIN)
export type PackedChain = z.infer<typeof chainSchema>

export const packChain = (chain: Chain): PackedChain =>
  chain.map(({ holder, kind, expires, through, signature }) => [
    keyOfPeerId(holder),
    kind,
    expires,
    through === null ? null : [keyOfPeerId(through.invitation), keyOfPeerId(through.by)],
    signature,
  ])

export const unpackChain = (packed: PackedChain): Chain =>
  packed.map(([holder, kind, expires, through, signature]) => ({
    holder: peerIdOfKey(holder),
    kind,
    expires,
    through: through === null ? null : { invitation: peerIdOfKey(through[0]), by: peerIdOfKey(through[1]) },
    signature: new Uint8Array(signature),
  }))

/** What the bearer of an invitation signs: good for this run, and between these two peers alone. */
export const bearerStatement = (run: RunId, bearer: PeerId, to: PeerId): Uint8Array =>
  encode(['skein: I bear this invitation', run, bearer, to])

const statement = (run: RunId, by: PeerId, body: Omit<Certificate, 'signature'>): Uint8Array =>
  encode([
    'skein: certificate',
    run,
    by,
    body.holder,
    body.kind,
    body.expires,
    body.through?.invitation ?? null,
    body.through?.by ?? null,
  ])
