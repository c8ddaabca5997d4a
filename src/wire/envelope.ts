// What is around every message: the protocol's version and the run, checked before the message is read.
import { z } from 'zod'
import type { RunId } from '../core/ids.js'
import { type Channel, mainChannel } from '../core/messages.js'
import { decode, encode, MalformedMessage } from './codec.js'
import { name, runIdSchema, whole } from './fields.js'

/** Version of the messages; peers of different versions refuse each other. */
export const PROTOCOL_VERSION = 3

/** A well-formed message that is not meant for this peer. */
export class ForeignMessage extends Error {
  override readonly name = 'ForeignMessage'
  constructor(readonly reason: string) {
    super(reason)
  }
}

const channelSchema = z.strictObject({
  swarm: name.nullable(),
  voice: z.strictObject({ cluster: name, epoch: whole, term: whole }).nullable(),
  hearer: name.nullable(),
}) satisfies z.ZodType<Channel>

const envelopeSchema = z.strictObject({
  skein: z.int().nonnegative(),
  run: runIdSchema,
  message: z.unknown(),
  /** Left out where there is one swarm only. */
  channel: channelSchema.optional(),
})

/** Bytes of a message of `run`. */
export function seal(run: RunId, message: unknown, channel: Channel = mainChannel): Uint8Array {
  const envelope = { skein: PROTOCOL_VERSION, run, message }
  return encode(channel === mainChannel ? envelope : { ...envelope, channel })
}

/**
 * The message in an envelope of `run`.
 * @throws ForeignMessage for another protocol version or run, saying what differs
 * @throws MalformedMessage for anything else that is not as it should be
 */
export function open<T>(bytes: Uint8Array, run: RunId, schema: z.ZodType<T>, capBytes: number): T {
  return openOn(bytes, run, schema, capBytes).message
}

/** The same, and which swarm it belongs to. @throws as `open` */
export function openOn<T>(
  bytes: Uint8Array,
  run: RunId,
  schema: z.ZodType<T>,
  capBytes: number,
): { readonly message: T; readonly channel: Channel } {
  const envelope = decode(bytes, envelopeSchema, capBytes)
  if (envelope.skein !== PROTOCOL_VERSION) {
    throw new ForeignMessage(`protocol version ${envelope.skein}, ours is ${PROTOCOL_VERSION}`)
  }
  if (envelope.run !== run) throw new ForeignMessage(`run ${envelope.run}, ours is ${run}`)
  const checked = schema.safeParse(envelope.message)
  if (!checked.success) {
    const issue = checked.error.issues[0]
    throw new MalformedMessage(`message.${issue.path.map(String).join('.')}: ${issue.message}`)
  }
  return { message: checked.data, channel: envelope.channel ?? mainChannel }
}
