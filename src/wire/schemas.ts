// What every message looks like, checked at the border. `exactly` ties each schema to its TypeScript type
// in both directions, so that neither can change alone.
import { z } from 'zod'
import type {
  AdmitEntry,
  ApplyEntry,
  AssignEntry,
  Assignment,
  Entry,
  EvictEntry,
  ExpireEntry,
  FinishEntry,
  NoopEntry,
  RefuseEntry,
} from '../core/entries.js'
import type { AssignmentId, Hash, PeerId, RunId } from '../core/ids.js'
import type {
  Entries,
  Farewell,
  GiveUp,
  Heartbeat,
  Join,
  Leave,
  Manifest,
  Message,
  Offer,
  Pulse,
  TurnedAway,
  Validated,
  VersionReady,
  WantEntries,
  Welcome,
} from '../core/messages.js'
import type { BulkName, Hello, HelloAnswer } from '../ports/mesh.js'
import { CONTROL_CAP_BYTES } from './codec.js'

/** Accepts a schema only if its output is exactly `T`. */
const exactly =
  <T>() =>
  <S extends z.ZodType<T>>(schema: S & (T extends z.output<S> ? unknown : never)): S =>
    schema

/** Most chunks of one contribution: 66 bytes each, so that a manifest fits in a control message. */
export const MAX_CHUNKS = 768
/** Largest chunk: a gossip message over 4 MiB is lost, and its envelope and signature need room. */
export const MAX_CHUNK_BYTES = 2 * 1024 * 1024
/** Most ledger entries in one message; an entry takes 60 to 400 bytes. */
const MAX_ENTRIES = 1024

const text = z.string().max(2000)
const longText = z.string().max(CONTROL_CAP_BYTES)
const name = z.string().min(1).max(64)
const whole = z.int().nonnegative()
const index = z.int().positive()
const speed = z.number().nonnegative()
const share = z.number().nonnegative()

export const peerIdSchema = z
  .string()
  .regex(/^[1-9A-HJ-NP-Za-km-z]{46,64}$/, 'not a peer id') as unknown as z.ZodType<PeerId>
export const runIdSchema = z
  .string()
  .regex(/^[0-9a-f]{16,64}$/, 'not a run id') as unknown as z.ZodType<RunId>
export const hashSchema = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'not a SHA-256 in lower-case hex') as unknown as z.ZodType<Hash>
const assignmentIdSchema = z
  .string()
  .regex(/^a[0-9]{1,15}$/, 'not an assignment id') as unknown as z.ZodType<AssignmentId>

export const manifestSchema = exactly<Manifest>()(
  z.strictObject({
    assignment: assignmentIdSchema,
    base: whole,
    steps: whole,
    codec: z.literal('fp32'),
    payload: hashSchema,
    bytes: z.int().positive(),
    chunkBytes: z.int().positive().max(MAX_CHUNK_BYTES),
    chunks: z.array(hashSchema).min(1).max(MAX_CHUNKS).readonly(),
    norm: z.number().nonnegative(),
    speed,
    loss: z.number(),
  }),
)

const assignmentSchema = exactly<Assignment>()(
  z.strictObject({
    id: assignmentIdSchema,
    worker: peerIdSchema,
    base: whole,
    baseDigest: hashSchema,
    shard: whole,
    position: whole,
    steps: z.int().positive(),
    deadlineMs: z.number().nonnegative(),
  }),
)

const place = { index, term: whole }
const settled = { assignment: assignmentIdSchema, worker: peerIdSchema, reason: text }
const entrySchemas = [
  exactly<NoopEntry & Place>()(
    z.strictObject({ ...place, kind: z.literal('no-op'), leader: peerIdSchema, reason: text }),
  ),
  exactly<AdmitEntry & Place>()(
    z.strictObject({
      ...place,
      kind: z.literal('admit'),
      peer: peerIdSchema,
      name,
      cluster: name,
      replica: z.boolean(),
      speed: speed.nullable(),
    }),
  ),
  exactly<EvictEntry & Place>()(
    z.strictObject({ ...place, kind: z.literal('evict'), peer: peerIdSchema, reason: text }),
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
      staleness: whole,
      weight: z.number(),
      steps: whole,
      speed,
      loss: z.number(),
    }),
  ),
  exactly<RefuseEntry & Place>()(z.strictObject({ ...place, kind: z.literal('refuse'), ...settled })),
  exactly<ExpireEntry & Place>()(z.strictObject({ ...place, kind: z.literal('expire'), ...settled })),
  exactly<FinishEntry & Place>()(
    z.strictObject({ ...place, kind: z.literal('finish'), reason: text, ok: z.boolean() }),
  ),
] as const
type Place = Pick<Entry, 'index' | 'term'>

export const entrySchema = exactly<Entry>()(z.discriminatedUnion('kind', entrySchemas))

const messageSchemas = [
  exactly<Heartbeat>()(
    z.strictObject({ type: z.literal('heartbeat'), term: whole, index: whole, version: whole }),
  ),
  exactly<Pulse>()(
    z.strictObject({
      type: z.literal('pulse'),
      term: whole,
      index: whole,
      held: z.strictObject({ version: whole, stateDigest: hashSchema }).nullable(),
      phase: z.enum(['idle', 'fetching', 'training', 'offering']),
      assignment: assignmentIdSchema.nullable(),
      step: whole,
    }),
  ),
  exactly<Join>()(
    z.strictObject({
      type: z.literal('join'),
      name,
      cluster: name,
      speed: speed.nullable(),
      holding: assignmentIdSchema.nullable(),
      index: whole.nullable(),
    }),
  ),
  exactly<Welcome>()(
    z.strictObject({
      type: z.literal('welcome'),
      term: whole,
      replica: z.boolean(),
      snapshot: z.strictObject({ version: whole, stateDigest: hashSchema }).nullable(),
    }),
  ),
  exactly<Entries>()(
    z.strictObject({
      type: z.literal('entries'),
      term: whole,
      entries: z.array(entrySchema).max(MAX_ENTRIES).readonly(),
    }),
  ),
  exactly<WantEntries>()(z.strictObject({ type: z.literal('want-entries'), from: whole })),
  exactly<VersionReady>()(
    z.strictObject({
      type: z.literal('version'),
      term: whole,
      version: whole,
      digest: hashSchema,
      stateDigest: hashSchema,
    }),
  ),
  exactly<Offer>()(z.strictObject({ type: z.literal('offer'), manifest: manifestSchema })),
  exactly<GiveUp>()(
    z.strictObject({ type: z.literal('give-up'), assignment: assignmentIdSchema, reason: text }),
  ),
  exactly<TurnedAway>()(z.strictObject({ type: z.literal('turned-away'), term: whole, reason: text })),
  exactly<Validated>()(z.strictObject({ type: z.literal('validated'), version: whole, loss: z.number() })),
  exactly<Leave>()(z.strictObject({ type: z.literal('leave'), reason: text })),
  exactly<Farewell>()(
    z.strictObject({
      type: z.literal('farewell'),
      utilisation: share,
      emulated: share,
      bytesSent: z.record(z.string().max(64), z.number().nonnegative()).readonly(),
      interClusterBytes: z.number().nonnegative(),
    }),
  ),
] as const

export const messageSchema = exactly<Message>()(z.discriminatedUnion('type', messageSchemas))

export const helloSchema = exactly<Hello>()(
  z.strictObject({ run: runIdSchema.nullable(), config: longText.nullable(), name }),
)

export const helloAnswerSchema = exactly<HelloAnswer>()(
  z.discriminatedUnion('accepted', [
    z.strictObject({
      accepted: z.literal(true),
      genesis: longText,
      leader: peerIdSchema.nullable(),
      leaderAddresses: z.array(z.string().max(512)).max(32).readonly(),
    }),
    z.strictObject({ accepted: z.literal(false), reason: longText, later: z.boolean() }),
  ]),
)

export const bulkNameSchema = exactly<BulkName>()(
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('theta'), version: whole }),
    z.strictObject({ kind: z.literal('snapshot'), version: whole }),
    z.strictObject({ kind: z.literal('payload'), hash: hashSchema }),
  ]),
)
