// A ticket: one line of text that lets a peer join a run from elsewhere.
import { z } from 'zod'
import type { RunId } from '../core/ids.js'
import { UserError } from '../core/user-error.js'
import { fromBase58, toBase58 } from './base58.js'
import { decode, encode, MalformedMessage } from './codec.js'
import { runIdSchema } from './fields.js'

export interface Ticket {
  readonly run: RunId
  /** Name of the run, to greet the user with. */
  readonly name: string
  /** Multiaddrs with peer ids, of peers to call on. */
  readonly addresses: readonly string[]
}

const PREFIX = 'skein1'
/** First byte of the content: says how the rest is laid out. */
const LAYOUT = 1
const CHECKSUM_BYTES = 4
/** More than 32 long addresses take, and little enough to reject at once. */
const CAP_BYTES = 16 * 1024

const ticketSchema = z.strictObject({
  run: runIdSchema,
  name: z.string().min(1).max(64),
  addresses: z.array(z.string().startsWith('/').max(512)).min(1).max(32),
}) satisfies z.ZodType<Ticket>

/** Whether text claims to be a ticket (rather than an address). */
export const isTicket = (text: string): boolean => text.trimStart().startsWith(PREFIX)

/** `skein1`, then in base 58: layout, msgpack of the ticket, CRC-32 of both. */
export function writeTicket(ticket: Ticket): string {
  const { run, name, addresses } = ticketSchema.parse(ticket)
  const body = encode({ run, name, addresses })
  const bytes = new Uint8Array(1 + body.byteLength + CHECKSUM_BYTES)
  bytes[0] = LAYOUT
  bytes.set(body, 1)
  const content = bytes.subarray(0, 1 + body.byteLength)
  new DataView(bytes.buffer).setUint32(content.byteLength, crc32(content))
  return PREFIX + toBase58(bytes)
}

/**
 * The ticket in a line of text; white space in it is ignored, since terminals wrap.
 * @throws UserError when it is no ticket, damaged, or of a layout this version does not know
 */
export function readTicket(text: string): Ticket {
  const line = text.replace(/\s+/g, '')
  if (!line.startsWith(PREFIX)) throw damaged(`it does not start with "${PREFIX}"`)
  const encoded = line.slice(PREFIX.length)
  if (encoded.length > CAP_BYTES) throw damaged(`it is ${line.length} characters long, no ticket is`)
  const bytes = fromBase58(encoded)
  if (bytes === null) throw damaged('it holds characters that no ticket has')
  if (bytes.byteLength <= 1 + CHECKSUM_BYTES) throw damaged('it is cut short')
  const content = bytes.subarray(0, bytes.byteLength - CHECKSUM_BYTES)
  const checksum = new DataView(bytes.buffer, bytes.byteOffset).getUint32(content.byteLength)
  if (checksum !== crc32(content)) throw damaged('its checksum is wrong: a character is missing or changed')
  if (content[0] !== LAYOUT) {
    throw new UserError(
      'usage',
      `the ticket has layout ${content[0]}, this program reads layout ${LAYOUT}`,
      'use the same version of skein on both sides',
    )
  }
  try {
    return decode(content.subarray(1), ticketSchema, CAP_BYTES)
  } catch (error) {
    if (error instanceof MalformedMessage) throw damaged(error.reason)
    throw error
  }
}

const damaged = (how: string): UserError =>
  new UserError('usage', `the ticket cannot be read: ${how}`, 'copy the whole ticket again')

/** CRC-32 (IEEE 802.3): finds every change within 32 neighbouring bits. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc >>> 0
}
