// Arbitrary messages, entries and manifests for the property tests.

import fc from 'fast-check'
import { codecNames } from '../../src/core/codec-names.js'
import { CHUNK_BYTES } from '../../src/core/content.js'
import type { Entry } from '../../src/core/entries.js'
import { assignmentId, hash, peerId, runId } from '../../src/core/ids.js'
import type { Manifest, Message } from '../../src/core/messages.js'
import type { BulkName, Hello, HelloAnswer } from '../../src/ports/mesh.js'

/** Records with the usual prototype, which is what decoding gives. */
export const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>

const hex = (length: number) =>
  fc.string({ minLength: length, maxLength: length, unit: fc.constantFrom(...'0123456789abcdef') })
const base58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

export const hashes = hex(64).map(hash)
export const runs = hex(64).map(runId)
export const peers = fc
  .string({ minLength: 44, maxLength: 44, unit: fc.constantFrom(...base58) })
  .map((tail) => peerId(`12D3KooW${tail}`))
const whole = fc.nat({ max: 2 ** 31 - 1 })
const large = fc.maxSafeNat()
// Negative zero travels as zero.
const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0)
const positive = fc.double({ noNaN: true, noDefaultInfinity: true, min: 0 })
const assignments = fc.nat({ max: 1e9 }).map(assignmentId)
const text = fc.string({ maxLength: 200, unit: 'grapheme' }).filter((words) => words.length <= 2000)
const names = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/)

const roles = fc.constantFrom('worker' as const, 'replica' as const, 'holder' as const)

/** Of a run that sends everything at once, and of one that does not. */
const withFragment = <T extends object>(whole: fc.Arbitrary<T>): fc.Arbitrary<T & { fragment?: number }> =>
  fc.oneof(
    whole,
    fc.tuple(whole, fc.nat(63)).map(([one, fragment]) => ({ ...one, fragment })),
  )

export const manifests: fc.Arbitrary<Manifest> = withFragment(
  record({
    assignment: assignments,
    base: whole,
    steps: whole,
    codec: fc.constant('fp32' as const),
    payload: hashes,
    bytes: fc.integer({ min: 1, max: 2 ** 32 }),
    chunkBytes: fc.constant(CHUNK_BYTES),
    chunks: fc.array(hashes, { minLength: 1, maxLength: 20 }),
    norm: positive,
    speed: positive,
    loss: number,
  }),
)

const addresses = fc.array(
  fc.nat({ max: 65_535 }).map((port) => `/ip4/127.0.0.1/tcp/${port}`),
  { maxLength: 8 },
)
const voters = fc.array(peers, { minLength: 1, maxLength: 5 })
const place = { index: fc.integer({ min: 1, max: 2 ** 31 }), term: whole }
const settled = { assignment: assignments, worker: peers, reason: text }
const passages = fc.option(record({ invitation: peers, by: peers }))
export const entries: fc.Arbitrary<Entry> = fc.oneof(
  record({
    ...place,
    kind: fc.constant('no-op' as const),
    leader: peers,
    reason: text,
    elapsedMs: positive,
  }),
  record({
    ...place,
    kind: fc.constant('configure' as const),
    voters,
    next: fc.option(voters),
    epoch: whole,
    reason: text,
  }),
  record({
    ...place,
    kind: fc.constant('admit' as const),
    peer: peers,
    name: names,
    cluster: names,
    replica: fc.boolean(),
    role: roles,
    speed: fc.option(positive),
    addresses,
    through: passages,
  }),
  record({
    ...place,
    kind: fc.constant('evict' as const),
    peer: peers,
    left: fc.boolean(),
    reason: text,
  }),
  record({ ...place, kind: fc.constant('revoke' as const), who: peers, reason: text }),
  record({
    ...place,
    kind: fc.constant('assign' as const),
    assignment: withFragment(
      record({
        id: assignments,
        worker: peers,
        after: fc.option(assignments),
        base: whole,
        baseDigest: hashes,
        shard: whole,
        position: large,
        steps: fc.integer({ min: 1, max: 1e6 }),
        deadlineMs: positive,
      }),
    ),
    speed: fc.option(positive),
    fastest: fc.option(positive),
    window: whole,
  }),
  withFragment(
    record({
      ...place,
      kind: fc.constant('apply' as const),
      codec: fc.constantFrom(...codecNames),
      assignment: assignments,
      worker: peers,
      payload: hashes,
      version: whole,
      staleness: whole,
      weight: number,
      steps: whole,
      speed: positive,
      loss: number,
    }),
  ),
  record({ ...place, kind: fc.constant('refuse' as const), ...settled }),
  record({ ...place, kind: fc.constant('expire' as const), ...settled }),
  record({ ...place, kind: fc.constant('validate' as const), version: whole, loss: number }),
  record({ ...place, kind: fc.constant('report' as const), manifest: manifests }),
  record({
    ...place,
    kind: fc.constant('merge' as const),
    round: record({ id: assignments, base: whole, steps: fc.integer({ min: 1, max: 1e6 }) }),
    payload: fc.option(hashes),
    sent: fc.option(record({ payload: hashes, codec: fc.constantFrom(...codecNames) })),
    afresh: fc.boolean(),
    version: whole,
  }),
  record({ ...place, kind: fc.constant('finish' as const), reason: text, ok: fc.boolean() }),
)

const fence = { epoch: whole, term: whole }
const point = record({ index: whole, term: whole })
const heldVersion = record({ version: whole, stateDigest: hashes })
const replicas = fc.array(record({ peer: peers, addresses }), { maxLength: 5 })
const someAssignments = fc.array(assignments, { maxLength: 3 })
const someEntries = fc.array(entries, { maxLength: 20 })
export const messages: fc.Arbitrary<Message> = fc.oneof(
  record({
    type: fc.constant('heartbeat' as const),
    ...fence,
    index: whole,
    version: whole,
    beat: number,
    elapsedMs: positive,
    replicasAt: whole,
  }),
  record({
    type: fc.constant('welcome' as const),
    ...fence,
    replica: fc.boolean(),
    replicas,
    replicasAt: whole,
    revoked: fc.array(peers, { maxLength: 5 }),
    snapshot: fc.option(heldVersion),
  }),
  record({ type: fc.constant('turned-away' as const), ...fence, reason: text }),
  record({
    type: fc.constant('append' as const),
    ...fence,
    prev: point,
    entries: someEntries,
    commit: whole,
  }),
  record({ type: fc.constant('take-over' as const), ...fence }),
  record({ type: fc.constant('entries' as const), ...fence, entries: someEntries }),
  record({
    type: fc.constant('settled' as const),
    ...fence,
    assignment: assignments,
    outcome: fc.constantFrom('apply' as const, 'refuse' as const, 'expire' as const),
    version: fc.option(whole),
  }),
  record({
    type: fc.constant('version' as const),
    ...fence,
    version: whole,
    digest: hashes,
    stateDigest: hashes,
  }),
  record({ type: fc.constant('want-digest' as const), ...fence, version: whole }),
  record({ type: fc.constant('heal' as const), ...fence, version: whole, stateDigest: hashes }),
  record({
    type: fc.constant('pulse' as const),
    ...fence,
    beat: number,
    index: whole,
    held: fc.option(heldVersion),
    phase: fc.constantFrom('idle' as const, 'fetching' as const, 'training' as const, 'offering' as const),
    assignments: someAssignments,
    step: whole,
  }),
  record({
    type: fc.constant('join' as const),
    name: names,
    cluster: names,
    role: roles,
    speed: fc.option(positive),
    holding: someAssignments,
    log: fc.option(point),
    addresses,
    through: passages,
  }),
  record({ type: fc.constant('redirect' as const), ...fence, leader: fc.option(peers), replicas }),
  record({ type: fc.constant('appended' as const), ...fence, ok: fc.boolean(), index: whole }),
  record({
    type: fc.constant('digest-of' as const),
    ...fence,
    version: whole,
    stateDigest: fc.option(hashes),
  }),
  record({
    type: fc.constant('ask-vote' as const),
    ...fence,
    pre: fc.boolean(),
    last: point,
    transfer: fc.boolean(),
  }),
  record({
    type: fc.constant('vote' as const),
    ...fence,
    pre: fc.boolean(),
    granted: fc.boolean(),
    reason: text,
  }),
  record({ type: fc.constant('shut-out' as const), who: peers, reason: text }),
  record({ type: fc.constant('offer' as const), manifest: manifests }),
  record({ type: fc.constant('give-up' as const), assignment: assignments, reason: text }),
  record({ type: fc.constant('validated' as const), version: whole, loss: number }),
  record({ type: fc.constant('leave' as const), reason: text }),
  record({
    type: fc.constant('farewell' as const),
    utilisation: positive,
    emulated: positive,
    bytesSent: fc.dictionary(names, positive, { maxKeys: 5, noNullPrototype: true }),
    interClusterBytes: positive,
  }),
  record({
    type: fc.constant('farewell' as const),
    utilisation: positive,
    emulated: positive,
    bytesSent: fc.constant({}),
    interClusterBytes: positive,
    steps: whole,
  }),
)

export const hellos: fc.Arbitrary<Hello> = record({
  run: fc.option(runs),
  config: fc.option(text),
  name: names,
})
export const helloAnswers: fc.Arbitrary<HelloAnswer> = fc.oneof(
  record({
    accepted: fc.constant(true as const),
    genesis: text,
    leader: fc.option(peers),
    leaderAddresses: fc.array(fc.constant('/ip4/127.0.0.1/tcp/4001'), { maxLength: 4 }),
  }),
  record({ accepted: fc.constant(false as const), reason: text, later: fc.boolean() }),
)
export const bulkNames: fc.Arbitrary<BulkName> = fc.oneof(
  record({ kind: fc.constant('theta' as const), version: whole }),
  record({ kind: fc.constant('snapshot' as const), version: whole }),
  record({ kind: fc.constant('payload' as const), hash: hashes }),
)
