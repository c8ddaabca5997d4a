// The fields that entries and messages are made of, with the bounds that hold everywhere.
import { z } from 'zod'
import type { Passage, Role } from '../core/entries.js'
import type { AssignmentId, Hash, PeerId, RunId } from '../core/ids.js'

/** Accepts a schema only if its output is exactly `T`. */
export const exactly =
  <T>() =>
  <S extends z.ZodType<T>>(schema: S & (T extends z.output<S> ? unknown : never)): S =>
    schema

/** Most voters of one configuration: larger sets only make every decision slower. */
const MAX_VOTERS = 16
/** Most addresses of one peer, and the longest of them: a relayed one with two peer ids takes 200 characters. */
export const MAX_ADDRESSES = 8
export const MAX_ADDRESS_CHARS = 256

export const text = z.string().max(2000)
/** An entry's reason quotes what a message said, in a sentence of its own. */
export const entryText = z.string().max(4000)
export const name = z.string().min(1).max(64)
export const whole = z.int().nonnegative()
export const index = z.int().positive()
export const speed = z.number().nonnegative()

/** Of a peer, or of a whole cluster in the swarm above. */
export const peerIdSchema = z
  .string()
  .regex(
    /^([1-9A-HJ-NP-Za-km-z]{46,64}|cluster:[a-zA-Z0-9][a-zA-Z0-9-]{0,31})$/,
    'not a peer id',
  ) as unknown as z.ZodType<PeerId>
export const runIdSchema = z
  .string()
  .regex(/^[0-9a-f]{16,64}$/, 'not a run id') as unknown as z.ZodType<RunId>
export const hashSchema = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'not a SHA-256 in lower-case hex') as unknown as z.ZodType<Hash>
export const assignmentIdSchema = z
  .string()
  .regex(/^a[0-9]{1,15}$/, 'not an assignment id') as unknown as z.ZodType<AssignmentId>

export const passageSchema = z
  .strictObject({ invitation: peerIdSchema, by: peerIdSchema })
  .nullable() satisfies z.ZodType<Passage | null>
export const votersSchema = z.array(peerIdSchema).min(1).max(MAX_VOTERS).readonly()
export const addressesSchema = z.array(z.string().max(MAX_ADDRESS_CHARS)).max(MAX_ADDRESSES).readonly()
export const roleSchema = exactly<Role>()(z.enum(['worker', 'replica', 'holder']))
