// A peer's status as others read it, from its folder or over the network.
import { z } from 'zod'
import {
  type AboveStatus,
  memberReaches,
  type NamedPeer,
  type ParentStanding,
  type PeerStatus,
} from '../ports/status.js'
import {
  addressesSchema,
  assignmentIdSchema,
  entryText,
  exactly,
  name,
  peerIdSchema,
  runIdSchema,
  text,
  whole,
} from './fields.js'

/** Members that one status lists at most: with the longest names they stay below what a control message may carry. */
export const MAX_STATUS_MEMBERS = 100

/** Revocations that one status lists at most. */
export const MAX_STATUS_REVOKED = 40
/** Paths that one status lists at most. */
export const MAX_STATUS_PATHS = 100
/** Clusters that one status tells of at most. */
export const MAX_STATUS_CLUSTERS = 40

const namedSchema = exactly<NamedPeer>()(z.strictObject({ name, id: peerIdSchema }))
const votersSchema = z.array(namedSchema).max(16).readonly()

const standing = {
  epoch: whole,
  term: whole,
  leader: namedSchema.nullable(),
  leads: z.string().max(4000).nullable(),
  voters: votersSchema.nullable(),
  next: votersSchema.nullable(),
  tolerance: text.nullable(),
  version: whole,
  committed: whole,
}

const aboveSchema = exactly<AboveStatus>()(
  z.strictObject({
    ...standing,
    clusters: z
      .array(
        z.strictObject({
          cluster: name,
          speaker: namedSchema.nullable(),
          present: z.boolean(),
          reports: whole,
          contributions: whole,
          reported: whole.nullable(),
          given: whole.nullable(),
        }),
      )
      .max(MAX_STATUS_CLUSTERS)
      .readonly(),
  }),
)

const parentSchema = exactly<ParentStanding>()(
  z.strictObject({
    merged: whole,
    round: assignmentIdSchema.nullable(),
    collected: whole,
    wanted: whole,
    reporting: z.boolean(),
  }),
)

export const peerStatusSchema = exactly<PeerStatus>()(
  z.strictObject({
    name,
    id: peerIdSchema,
    cluster: name,
    pid: whole,
    run: runIdSchema,
    time: z.string().max(64),
    ...standing,
    above: aboveSchema.nullable(),
    parent: parentSchema.nullable(),
    members: z
      .array(
        z.strictObject({
          name,
          id: peerIdSchema,
          cluster: name,
          replica: z.boolean(),
          present: z.boolean(),
          reach: z.enum(memberReaches),
        }),
      )
      .max(MAX_STATUS_MEMBERS)
      .readonly(),
    revoked: z
      .array(z.strictObject({ who: peerIdSchema, reason: entryText }))
      .max(MAX_STATUS_REVOKED)
      .readonly(),
    addresses: addressesSchema,
    paths: z
      .array(
        z.strictObject({
          id: peerIdSchema,
          kind: z.enum(['lan', 'direct', 'punched', 'relayed']),
          roundTripMs: z.number().nonnegative().nullable(),
          bytesPerSecond: z.number().nonnegative().nullable(),
        }),
      )
      .max(MAX_STATUS_PATHS)
      .readonly(),
    refusals: z.record(z.string().max(256), whole).readonly(),
    phase: z.string().max(64),
  }),
)
