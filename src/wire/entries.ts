// What every entry of the ledger looks like, checked at the border and when a log is read from disk.
import { z } from 'zod'
import { codecNames } from '../core/codec-names.js'
import type {
  AdmitEntry,
  ApplyEntry,
  AssignEntry,
  Assignment,
  ConfigureEntry,
  Entry,
  EvictEntry,
  ExpireEntry,
  FinishEntry,
  MergeEntry,
  NoopEntry,
  RefuseEntry,
  ReportEntry,
  RevokeEntry,
  ValidateEntry,
} from '../core/entries.js'
import {
  addressesSchema,
  assignmentIdSchema,
  entryText,
  exactly,
  hashSchema,
  index,
  name,
  passageSchema,
  peerIdSchema,
  roleSchema,
  speed,
  votersSchema,
  whole,
} from './fields.js'
import { manifestSchema } from './manifest.js'

const assignmentSchema = exactly<Assignment>()(
  z.strictObject({
    id: assignmentIdSchema,
    worker: peerIdSchema,
    after: assignmentIdSchema.nullable(),
    base: whole,
    baseDigest: hashSchema,
    shard: whole,
    position: whole,
    steps: z.int().positive(),
    fragment: whole.optional(),
    deadlineMs: z.number().nonnegative(),
  }),
)

type Place = Pick<Entry, 'index' | 'term'>
const place = { index, term: whole }
const settled = { assignment: assignmentIdSchema, worker: peerIdSchema, reason: entryText }

const entrySchemas = [
  exactly<NoopEntry & Place>()(
    z.strictObject({
      ...place,
      kind: z.literal('no-op'),
      leader: peerIdSchema,
      reason: entryText,
      elapsedMs: z.number().nonnegative(),
    }),
  ),
  exactly<ConfigureEntry & Place>()(
    z.strictObject({
      ...place,
      kind: z.literal('configure'),
      voters: votersSchema,
      next: votersSchema.nullable(),
      epoch: whole,
      reason: entryText,
    }),
  ),
  exactly<AdmitEntry & Place>()(
    z.strictObject({
      ...place,
      kind: z.literal('admit'),
      peer: peerIdSchema,
      name,
      cluster: name,
      replica: z.boolean(),
      role: roleSchema,
      speed: speed.nullable(),
      addresses: addressesSchema,
      through: passageSchema,
    }),
  ),
  exactly<EvictEntry & Place>()(
    z.strictObject({
      ...place,
      kind: z.literal('evict'),
      peer: peerIdSchema,
      left: z.boolean(),
      reason: entryText,
    }),
  ),
  exactly<RevokeEntry & Place>()(
    z.strictObject({ ...place, kind: z.literal('revoke'), who: peerIdSchema, reason: entryText }),
  ),
  exactly<AssignEntry & Place>()(
    z.strictObject({
      ...place,
      kind: z.literal('assign'),
      assignment: assignmentSchema,
      speed: speed.nullable(),
      fastest: speed.nullable(),
      window: whole,
    }),
  ),
  exactly<ApplyEntry & Place>()(
    z.strictObject({
      ...place,
      kind: z.literal('apply'),
      assignment: assignmentIdSchema,
      worker: peerIdSchema,
      payload: hashSchema,
      codec: z.enum(codecNames),
      fragment: whole.optional(),
      version: whole,
      staleness: whole,
      weight: z.number(),
      steps: whole,
      speed,
      loss: z.number(),
    }),
  ),
  exactly<RefuseEntry & Place>()(z.strictObject({ ...place, kind: z.literal('refuse'), ...settled })),
  exactly<ExpireEntry & Place>()(z.strictObject({ ...place, kind: z.literal('expire'), ...settled })),
  exactly<ValidateEntry & Place>()(
    z.strictObject({ ...place, kind: z.literal('validate'), version: whole, loss: z.number() }),
  ),
  exactly<ReportEntry & Place>()(
    z.strictObject({ ...place, kind: z.literal('report'), manifest: manifestSchema }),
  ),
  exactly<MergeEntry & Place>()(
    z.strictObject({
      ...place,
      kind: z.literal('merge'),
      round: z.strictObject({ id: assignmentIdSchema, base: whole, steps: z.int().positive() }),
      payload: hashSchema.nullable(),
      sent: z.strictObject({ payload: hashSchema, codec: z.enum(codecNames) }).nullable(),
      afresh: z.boolean(),
      version: whole,
    }),
  ),
  exactly<FinishEntry & Place>()(
    z.strictObject({ ...place, kind: z.literal('finish'), reason: entryText, ok: z.boolean() }),
  ),
] as const

export const entrySchema = exactly<Entry>()(z.discriminatedUnion('kind', entrySchemas))
