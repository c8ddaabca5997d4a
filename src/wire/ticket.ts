// A ticket: one line of text that lets a peer join a run from elsewhere.
import { z } from 'zod'
import type { RunId } from '../core/ids.js'
import { UserError } from '../core/user-error.js'
import { fromBase58, toBase58 } from './base58.js'
import { bytesOf, chainSchema, type Invitation, packChain, seedSchema, unpackChain } from './certificates.js'
import { decode, encode, MalformedMessage } from './codec.js'

export interface Ticket {
  readonly run: RunId
  /** Name of the run, to greet the user with. */
  readonly name: string
  /** Multiaddrs of peers to call on, relayed ones included; none for a bearer that knows where to call. */
  readonly addresses: readonly string[]
  /** What lets its bearer in; null for a run that lets in whoever reaches it. */
  readonly invitation: Invitation | null
}

const PREFIX = 'skein1'
/** First byte of the content: says how the rest is laid out. */
const LAYOUT = 2
const CHECKSUM_BYTES = 4
/** More than 32 long addresses take, and little enough to reject at once. */
const CAP_BYTES = 16 * 1024

/** A peer id at the end of an address, and a relay's in front of one, take half of it. */
const PEER_PART = /^(.*)\/p2p\/([1-9A-HJ-NP-Za-km-z]{46,64})$/

const packedSchema = z.tuple([
  bytesOf(32),
  z.string().min(1).max(64),
  // The peer at whose addresses that follow it can be called; null where an address says it itself, or none does.
  z.instanceof(Uint8Array).nullable(),
  z.array(z.string().startsWith('/').max(512)).max(32),
  z.tuple([seedSchema, chainSchema]).nullable(),
])

const HARMLESS = /[\s>"'`<\u00ad\u200b-\u200f\u2060\ufeff]+/gu

/** Whether text claims to be a ticket (rather than an address). */
export const isTicket = (text: string): boolean => text.replace(HARMLESS, '').startsWith(PREFIX)

/** `skein1`, then in base 58: layout, msgpack of the ticket, CRC-32 of both. */
export function writeTicket({ run, name, addresses, invitation }: Ticket): string {
  const host = commonHost(addresses)
  const packed = packedSchema.parse([
    bytesOfHex(run),
    name,
    host === null ? null : fromBase58(host),
    host === null ? addresses : addresses.map((address) => address.replace(PEER_PART, '$1')),
    invitation === null ? null : [invitation.seed, packChain(invitation.chain)],
  ])
  const body = encode(packed)
  const bytes = new Uint8Array(1 + body.byteLength + CHECKSUM_BYTES)
  bytes[0] = LAYOUT
  bytes.set(body, 1)
  const content = bytes.subarray(0, 1 + body.byteLength)
  new DataView(bytes.buffer).setUint32(content.byteLength, crc32(content))
  return PREFIX + toBase58(bytes)
}

/**
 * The ticket in a line of text. What mail programs and terminals put in between is ignored: white space, marks of
 * quotation, quotes around it, characters that nobody sees.
 * @throws UserError when it is no ticket, damaged, or of a layout this version does not know
 */
export function readTicket(text: string): Ticket {
  const line = text.replace(HARMLESS, '')
  if (!line.startsWith(PREFIX)) throw damaged(`it does not start with "${PREFIX}"`)
  const encoded = line.slice(PREFIX.length)
  if (encoded.length > CAP_BYTES) throw damaged(`it is ${line.length} characters long, no ticket is`)
  const bytes = fromBase58(encoded)
  if (bytes === null) {
    const strange = [...encoded].find((character) => fromBase58(character) === null)
    throw damaged(`it holds "${strange}", a character that no ticket has`)
  }
  if (bytes.byteLength <= 1 + CHECKSUM_BYTES) throw damaged('it is cut short')
  const content = bytes.subarray(0, bytes.byteLength - CHECKSUM_BYTES)
  const checksum = new DataView(bytes.buffer, bytes.byteOffset).getUint32(content.byteLength)
  if (checksum !== crc32(content))
    throw damaged('its checksum is wrong: a character is missing, doubled or changed')
  if (content[0] !== LAYOUT) {
    throw new UserError(
      'usage',
      `the ticket has layout ${content[0]}, this program reads layout ${LAYOUT}`,
      'use the same version of skein on both sides',
    )
  }
  try {
    return unpacked(decode(content.subarray(1), packedSchema, CAP_BYTES))
  } catch (error) {
    if (error instanceof MalformedMessage) throw damaged(error.reason)
    throw error
  }
}

function unpacked([run, name, host, addresses, invitation]: z.infer<typeof packedSchema>): Ticket {
  return {
    run: hexOf(run) as RunId,
    name,
    addresses: host === null ? addresses : addresses.map((address) => `${address}/p2p/${toBase58(host)}`),
    invitation:
      invitation === null ? null : { seed: new Uint8Array(invitation[0]), chain: unpackChain(invitation[1]) },
  }
}

/** The peer that every address ends with; null if they do not all end with one. */
function commonHost(addresses: readonly string[]): string | null {
  const hosts = new Set(addresses.map((address) => PEER_PART.exec(address)?.[2] ?? null))
  const [host] = hosts
  // One that base 58 writes in another way would not come back as it was.
  const same = hosts.size === 1 && host !== null && toBase58(fromBase58(host) ?? new Uint8Array()) === host
  return same ? host : null
}

const bytesOfHex = (hex: string): Uint8Array =>
  Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
const hexOf = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')

const damaged = (how: string): UserError =>
  new UserError(
    'usage',
    `the ticket cannot be read: ${how}`,
    'copy the whole ticket again, from skein1 to its end',
  )

/** CRC-32 (IEEE 802.3): finds every change within 32 neighbouring bits. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc >>> 0
}
