// What travels beside the core's messages: contributions in pieces on gossip topics, and the requests,
// answers and credits of a bulk transfer.
import { z } from 'zod'
import { MAX_CHUNK_BYTES, MAX_CHUNKS } from '../core/content.js'
import type { Hash, PeerId, RunId } from '../core/ids.js'
import type { Address, Manifest, Message } from '../core/messages.js'
import type { BulkName } from '../ports/mesh.js'
import { addressesSchema, hashSchema, peerIdSchema, runIdSchema } from './fields.js'
import { manifestSchema } from './manifest.js'
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

/** Asks a donor what it holds under a name. */
export interface BulkRequest {
  readonly run: RunId
  readonly name: BulkName
  /** The name of its content; null where it is not known before the answer. */
  readonly content: Hash | null
  /** Whether the answer must have the hashes of the chunks. */
  readonly list: boolean
}
/** A donor's answer: what it holds; or why nothing. */
export type BulkAnswer =
  | {
      readonly found: true
      /** Of the whole content. */
      readonly bytes: number
      /** SHA-256 of each chunk, 32 bytes each; null where they were not asked for. */
      readonly chunks: Uint8Array | null
      /** A bit for each chunk that it holds, the first in the highest bit; null for all. */
      readonly held: Uint8Array | null
      /** Others that take the same content from it. */
      readonly fellows: readonly Address[]
    }
  /** `later`: worth asking again soon. */
  | { readonly found: false; readonly reason: string; readonly later: boolean }
/** Asks for chunks, which allows the donor as many bytes; what is dropped need not be sent any more. */
export interface BulkWants {
  readonly want: readonly number[]
  readonly drop: readonly number[]
}
/** Chunks that a donor, which takes the content itself, holds since its answer. */
export interface BulkNews {
  readonly held: readonly number[]
}

/** Most fellows in one answer: with a few more than three donors a taker has enough. */
export const MAX_FELLOWS = 16

const chunkIndices = z
  .array(
    z
      .int()
      .nonnegative()
      .max(MAX_CHUNKS - 1),
  )
  .max(MAX_CHUNKS)
  .readonly()

export const bulkRequestSchema = z.strictObject({
  run: runIdSchema,
  name: bulkNameSchema,
  content: hashSchema.nullable(),
  list: z.boolean(),
}) satisfies z.ZodType<BulkRequest>

export const bulkAnswerSchema = z.discriminatedUnion('found', [
  z.strictObject({
    found: z.literal(true),
    bytes: z.int().nonnegative(),
    chunks: z.instanceof(Uint8Array).nullable(),
    held: z.instanceof(Uint8Array).nullable(),
    fellows: z
      .array(z.strictObject({ peer: peerIdSchema, addresses: addressesSchema }))
      .max(MAX_FELLOWS)
      .readonly(),
  }),
  z.strictObject({ found: z.literal(false), reason: z.string().max(2000), later: z.boolean() }),
]) satisfies z.ZodType<BulkAnswer>

export const bulkWantsSchema = z.strictObject({
  want: chunkIndices,
  drop: chunkIndices,
}) satisfies z.ZodType<BulkWants>

export const bulkNewsSchema = z.strictObject({ held: chunkIndices }) satisfies z.ZodType<BulkNews>
