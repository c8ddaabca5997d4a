// What every message looks like, checked at the border. `exactly` ties each schema to its TypeScript type
// in both directions, so that neither can change alone.
import { z } from 'zod'
import type {
  Address,
  Append,
  Appended,
  AskVote,
  DigestOf,
  Entries,
  Farewell,
  GiveUp,
  Heal,
  Heartbeat,
  Join,
  Leave,
  LogPoint,
  Message,
  Offer,
  Pulse,
  Redirect,
  Settled,
  ShutOut,
  TakeOver,
  TurnedAway,
  Validated,
  VersionReady,
  Vote,
  WantDigest,
  Welcome,
} from '../core/messages.js'
import type { BulkName, Hello, HelloAnswer } from '../ports/mesh.js'
import { CONTROL_CAP_BYTES } from './codec.js'
import { entrySchema } from './entries.js'
import {
  addressesSchema,
  assignmentIdSchema,
  exactly,
  hashSchema,
  name,
  passageSchema,
  peerIdSchema,
  roleSchema,
  runIdSchema,
  speed,
  text,
  whole,
} from './fields.js'
import { manifestSchema } from './manifest.js'

/** Most ledger entries in one message; an entry takes 60 to 400 bytes. */
const MAX_ENTRIES = 1024
/** Most assignments of one worker: a few are given in advance. */
const MAX_ASSIGNMENTS = 64
/** Most replicas in one message: where the outer state is held more often, some of them are enough. */
const MAX_REPLICAS = 64
/** Most revocations in one message: 52 bytes each. */
const MAX_REVOKED = 256

const longText = z.string().max(CONTROL_CAP_BYTES)
const share = z.number().nonnegative()

const fence = { epoch: whole, term: whole }
const logPointSchema = exactly<LogPoint>()(z.strictObject({ index: whole, term: whole }))
const entriesSchema = z.array(entrySchema).max(MAX_ENTRIES).readonly()
const heldSchema = z.strictObject({ version: whole, stateDigest: hashSchema })
const assignmentsSchema = z.array(assignmentIdSchema).max(MAX_ASSIGNMENTS).readonly()
const replicasSchema = z
  .array(exactly<Address>()(z.strictObject({ peer: peerIdSchema, addresses: addressesSchema })))
  .max(MAX_REPLICAS)
  .readonly()

const leaderMessageSchemas = [
  exactly<Heartbeat>()(
    z.strictObject({
      type: z.literal('heartbeat'),
      ...fence,
      index: whole,
      version: whole,
      beat: z.number(),
      elapsedMs: z.number().nonnegative(),
      replicasAt: whole,
    }),
  ),
  exactly<Welcome>()(
    z.strictObject({
      type: z.literal('welcome'),
      ...fence,
      replica: z.boolean(),
      replicas: replicasSchema,
      replicasAt: whole,
      revoked: z.array(peerIdSchema).max(MAX_REVOKED).readonly(),
      snapshot: heldSchema.nullable(),
    }),
  ),
  exactly<TurnedAway>()(z.strictObject({ type: z.literal('turned-away'), ...fence, reason: text })),
  exactly<Append>()(
    z.strictObject({
      type: z.literal('append'),
      ...fence,
      prev: logPointSchema,
      entries: entriesSchema,
      commit: whole,
    }),
  ),
  exactly<TakeOver>()(z.strictObject({ type: z.literal('take-over'), ...fence })),
  exactly<Entries>()(z.strictObject({ type: z.literal('entries'), ...fence, entries: entriesSchema })),
  exactly<Settled>()(
    z.strictObject({
      type: z.literal('settled'),
      ...fence,
      assignment: assignmentIdSchema,
      outcome: z.enum(['apply', 'refuse', 'expire']).nullable(),
      version: whole.nullable(),
    }),
  ),
  exactly<VersionReady>()(
    z.strictObject({
      type: z.literal('version'),
      ...fence,
      version: whole,
      digest: hashSchema,
      stateDigest: hashSchema,
    }),
  ),
  exactly<WantDigest>()(z.strictObject({ type: z.literal('want-digest'), ...fence, version: whole })),
  exactly<Heal>()(
    z.strictObject({ type: z.literal('heal'), ...fence, version: whole, stateDigest: hashSchema }),
  ),
] as const

const memberMessageSchemas = [
  exactly<Pulse>()(
    z.strictObject({
      type: z.literal('pulse'),
      ...fence,
      beat: z.number(),
      index: whole,
      held: heldSchema.nullable(),
      phase: z.enum(['idle', 'fetching', 'training', 'offering']),
      assignments: assignmentsSchema,
      step: whole,
    }),
  ),
  exactly<Join>()(
    z.strictObject({
      type: z.literal('join'),
      name,
      cluster: name,
      role: roleSchema,
      speed: speed.nullable(),
      holding: assignmentsSchema,
      log: logPointSchema.nullable(),
      addresses: addressesSchema,
      through: passageSchema,
    }),
  ),
  exactly<Appended>()(
    z.strictObject({ type: z.literal('appended'), ...fence, ok: z.boolean(), index: whole }),
  ),
  exactly<DigestOf>()(
    z.strictObject({
      type: z.literal('digest-of'),
      ...fence,
      version: whole,
      stateDigest: hashSchema.nullable(),
    }),
  ),
  exactly<Offer>()(z.strictObject({ type: z.literal('offer'), manifest: manifestSchema })),
  exactly<GiveUp>()(
    z.strictObject({ type: z.literal('give-up'), assignment: assignmentIdSchema, reason: text }),
  ),
  exactly<Validated>()(z.strictObject({ type: z.literal('validated'), version: whole, loss: z.number() })),
  exactly<Leave>()(z.strictObject({ type: z.literal('leave'), reason: text })),
  exactly<ShutOut>()(z.strictObject({ type: z.literal('shut-out'), who: peerIdSchema, reason: text })),
  exactly<Farewell>()(
    z.strictObject({
      type: z.literal('farewell'),
      utilisation: share,
      emulated: share,
      bytesSent: z.record(z.string().max(64), z.number().nonnegative()).readonly(),
      interClusterBytes: z.number().nonnegative(),
      steps: whole.optional(),
    }),
  ),
] as const

const electionMessageSchemas = [
  exactly<AskVote>()(
    z.strictObject({
      type: z.literal('ask-vote'),
      ...fence,
      pre: z.boolean(),
      last: logPointSchema,
      transfer: z.boolean(),
    }),
  ),
  exactly<Vote>()(
    z.strictObject({
      type: z.literal('vote'),
      ...fence,
      pre: z.boolean(),
      granted: z.boolean(),
      reason: text,
    }),
  ),
] as const

const redirectSchema = exactly<Redirect>()(
  z.strictObject({
    type: z.literal('redirect'),
    ...fence,
    leader: peerIdSchema.nullable(),
    replicas: replicasSchema,
  }),
)

export const messageSchema = exactly<Message>()(
  z.discriminatedUnion('type', [
    ...leaderMessageSchemas,
    ...memberMessageSchemas,
    ...electionMessageSchemas,
    redirectSchema,
  ]),
)

export const helloSchema = exactly<Hello>()(
  z.strictObject({ run: runIdSchema.nullable(), config: longText.nullable(), name }),
)

export const helloAnswerSchema = exactly<HelloAnswer>()(
  z.discriminatedUnion('accepted', [
    z.strictObject({
      accepted: z.literal(true),
      genesis: longText,
      leader: peerIdSchema.nullable(),
      leaderAddresses: addressesSchema,
      cluster: name.optional(),
    }),
    z.strictObject({ accepted: z.literal(false), reason: longText, later: z.boolean() }),
  ]),
)

export const bulkNameSchema = exactly<BulkName>()(
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('theta'), version: whole, swarm: name.optional() }),
    z.strictObject({ kind: z.literal('snapshot'), version: whole, swarm: name.optional() }),
    z.strictObject({ kind: z.literal('payload'), hash: hashSchema }),
    z.strictObject({ kind: z.literal('corpus') }),
  ]),
)
