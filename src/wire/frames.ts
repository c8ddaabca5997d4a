// What travels beside the core's messages: contributions in pieces on gossip topics, and the requests,
// answers and credits of a bulk transfer.
import { z } from 'zod'
import type { Hash, PeerId, RunId } from '../core/ids.js'
import type { Manifest, Message } from '../core/messages.js'
import type { BulkName } from '../ports/mesh.js'
import { hashSchema, peerIdSchema, runIdSchema } from './fields.js'
import { MAX_CHUNK_BYTES, MAX_CHUNKS, manifestSchema } from './manifest.js'
import { bulkNameSchema, messageSchema } from './schemas.js'

/** Announces a contribution whose chunks follow. */
export interface ContributionFrame {
  readonly type: 'contribution'
  readonly manifest: Manifest
}
/** One chunk of the payload with this hash. */
export interface ChunkFrame {
  readonly type: 'chunk'
  readonly payload: Hash
  readonly index: number
  readonly bytes: Uint8Array
  /** Subscribers the author sends it to itself: who knows of no other need not pass it on. */
  readonly reached: readonly PeerId[]
}
/** Whatever a gradients topic carries. */
export type GradientFrame = ContributionFrame | ChunkFrame | Message

/** Up to so many subscribers get every chunk from the author itself: they need not know each other. */
export const DIRECT_SUBSCRIBERS = 4

/** Largest gossip frame: a chunk with its envelope. */
export const FRAME_CAP_BYTES = MAX_CHUNK_BYTES + 4096

const contributionFrameSchema = z.strictObject({
  type: z.literal('contribution'),
  manifest: manifestSchema,
}) satisfies z.ZodType<ContributionFrame>

const chunkFrameSchema = z.strictObject({
  type: z.literal('chunk'),
  payload: hashSchema,
  index: z
    .int()
    .nonnegative()
    .max(MAX_CHUNKS - 1),
  bytes: z.instanceof(Uint8Array),
  reached: z.array(peerIdSchema).max(DIRECT_SUBSCRIBERS).readonly(),
}) satisfies z.ZodType<ChunkFrame>

export const gradientFrameSchema = z.discriminatedUnion('type', [
  chunkFrameSchema,
  contributionFrameSchema,
  messageSchema,
]) satisfies z.ZodType<GradientFrame>

/** Asks a donor for the bytes of `name` from `offset` on, `credit` bytes at first. */
export interface BulkRequest {
  readonly run: RunId
  readonly name: BulkName
  readonly offset: number
  readonly credit: number
}
/** A donor's answer: the size of the whole, after which the bytes follow; or why not. */
export type BulkAnswer =
  | { readonly found: true; readonly bytes: number }
  | { readonly found: false; readonly reason: string }
/** Allows the donor so many more bytes. */
export interface BulkCredit {
  readonly credit: number
}

const credit = z
  .int()
  .positive()
  .max(2 ** 31)

export const bulkRequestSchema = z.strictObject({
  run: runIdSchema,
  name: bulkNameSchema,
  offset: z.int().nonnegative(),
  credit,
}) satisfies z.ZodType<BulkRequest>

export const bulkAnswerSchema = z.discriminatedUnion('found', [
  z.strictObject({ found: z.literal(true), bytes: z.int().nonnegative() }),
  z.strictObject({ found: z.literal(false), reason: z.string().max(2000) }),
]) satisfies z.ZodType<BulkAnswer>

export const bulkCreditSchema = z.strictObject({ credit }) satisfies z.ZodType<BulkCredit>
