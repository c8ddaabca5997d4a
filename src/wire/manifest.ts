// What the manifest of a contribution looks like, in messages and in entries.
import { z } from 'zod'
import { codecNames } from '../core/codec-names.js'
import { MAX_CHUNK_BYTES, MAX_CHUNKS } from '../core/content.js'
import type { Manifest } from '../core/manifest.js'
import { assignmentIdSchema, exactly, hashSchema, speed, whole } from './fields.js'

export const manifestSchema = exactly<Manifest>()(
  z.strictObject({
    assignment: assignmentIdSchema,
    base: whole,
    steps: whole,
    codec: z.enum(codecNames),
    fragment: whole.optional(),
    payload: hashSchema,
    bytes: z.int().positive(),
    chunkBytes: z.int().positive().max(MAX_CHUNK_BYTES),
    chunks: z.array(hashSchema).min(1).max(MAX_CHUNKS).readonly(),
    norm: z.number().nonnegative(),
    speed,
    loss: z.number(),
  }),
)
