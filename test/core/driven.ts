// One peer driven by hand: events in, effects out; what the disk and the outer optimizer do is answered at once.

import { applyEntry } from '../../src/core/apply-entry.js'
import type { Assignment, Entry, EntryBody } from '../../src/core/entries.js'
import type { Effect, EffectOf, HardState, NewEvent, Outgoing } from '../../src/core/events.js'
import { type AssignmentId, type Hash, hash, type PeerId, peerId } from '../../src/core/ids.js'
import { emptyLedger, type LedgerState } from '../../src/core/ledger.js'
import type { Join, Manifest, Message, Pulse } from '../../src/core/messages.js'
import { createPeer, step } from '../../src/core/peer.js'
import type { HeldState, Lead, PeerSetup, PeerState, Replica } from '../../src/core/state.js'
import { runConfig } from '../swarm/swarms.js'

/** A digest that names its version, the same at every peer. */
export const digestOf = (version: number): Hash => hash(String(version).padStart(64, '0'))
export const payloadOf = (assignment: AssignmentId): Hash => hash(assignment.slice(1).padStart(64, 'f'))
export const founder = peerId('id-founder')
export const other = peerId('id-other')
export const third = peerId('id-third')

const shardSizes = [100, 100, 100, 100]

export function setupOf(
  self: PeerId,
  changes: Record<string, unknown> = {},
  held: HeldState | null = null,
): PeerSetup {
  const run = runConfig({
    startPeers: 1,
    validation: { everyVersions: 1_000 },
    stop: { versions: 1_000 },
    ...changes,
  })
  return {
    self: { id: self, name: self.slice(3), cluster: 'lake', role: 'replica', addresses: [] },
    run,
    stop: run.stop,
    founder,
    clusters: ['lake', 'meadow'],
    shardSizes,
    scheduleSteps: shardSizes.map(() => 1_000),
    tokensPerStep: 8,
    parameters: 2,
    held: held ?? (self === founder ? heldAfter(emptyLedger(shardSizes, founder)) : null),
  }
}

/** What a disk holds whose newest snapshot has this ledger. */
export function heldAfter(ledger: LedgerState, changes: Partial<HeldState> = {}): HeldState {
  const { index, term, version } = ledger
  const digest = digestOf(version)
  return {
    hard: { term, vote: null, epoch: ledger.configuration.epoch },
    ledger,
    digest,
    stateDigest: digest,
    base: { index, term },
    log: [],
    payloads: [],
    ...changes,
  }
}

/** The ledger of a run in term 1 that these peers are in, of whom the first so many vote. */
export function ledgerOf(replicas: readonly PeerId[], voters: readonly PeerId[] = replicas): LedgerState {
  const bodies: EntryBody[] = [
    { kind: 'no-op', leader: founder, reason: 'it founded the run', elapsedMs: 0 },
    ...replicas.map((peer) => admission(peer)),
    { kind: 'configure', voters, next: null, epoch: 0, reason: 'because' },
  ]
  return bodies
    .map((body, i): Entry => ({ ...body, index: i + 1, term: 1 }))
    .reduce(applyEntry, emptyLedger(shardSizes, founder))
}

export const admission = (peer: PeerId, replica = true): Extract<EntryBody, { kind: 'admit' }> => ({
  kind: 'admit',
  peer,
  name: peer.slice(3),
  cluster: 'lake',
  replica,
  role: 'replica',
  speed: 10,
  addresses: [],
  through: null,
})

export class Driven {
  state: PeerState
  at = 0
  /** Everything since `clear`. */
  effects: Effect[] = []
  /** Messages that left since `clear`: those that wait for the disk when that has answered. */
  left: Outgoing[] = []
  /** Whether the outer step, the disk and payloads answer at once. */
  prompt = true
  #writes: EffectOf<'persist'>[] = []

  constructor(readonly setup: PeerSetup) {
    this.state = createPeer(setup)
  }

  event(event: NewEvent): this {
    const [state, effects] = step(this.state, { ...event, at: this.at })
    this.state = state
    this.effects.push(...effects)
    for (const effect of effects) {
      if (effect.type === 'send') this.left.push({ to: effect.to, message: effect.message })
      if (effect.type === 'persist') this.#writes.push(effect)
    }
    if (!this.prompt) return this
    this.flush()
    for (const effect of effects) this.#answer(effect)
    return this
  }

  /** All writes so far are durable. */
  flush(): this {
    for (let write = this.#writes.shift(); write !== undefined; write = this.#writes.shift()) {
      for (const { to, message } of write.thenSend) {
        if (to === this.setup.self.id) this.from(to, message)
        else this.left.push({ to, message })
      }
      const last = write.entries.at(-1)
      if (last !== undefined) this.event({ type: 'persisted', index: last.index, term: last.term })
    }
    return this
  }

  start(...connected: readonly PeerId[]): this {
    this.event({ type: 'started', speed: 10, holding: [] })
    for (const peer of connected) this.event({ type: 'connected', peer })
    return this
  }

  from(peer: PeerId, message: Message): this {
    return this.event({ type: 'message', from: peer, message })
  }

  timer(name: Extract<NewEvent, { type: 'timer' }>['name']): this {
    return this.event({ type: 'timer', name })
  }

  /** Lets time pass with a heartbeat every half second, answered by `alive`. */
  pass(ms: number, alive: readonly PeerId[] = [], changes: Partial<Pulse> = {}): this {
    for (const end = this.at + ms; this.at < end; ) {
      this.at += 500
      this.timer('heartbeat')
      for (const peer of alive) this.from(peer, pulse(this, peer, changes))
    }
    return this
  }

  clear(): this {
    this.effects = []
    this.left = []
    return this
  }

  of<Type extends Effect['type']>(type: Type): EffectOf<Type>[] {
    return this.effects.filter((effect): effect is EffectOf<Type> => effect.type === type)
  }

  sent<Type extends Message['type']>(to: PeerId, type: Type): Extract<Message, { type: Type }>[] {
    return this.left.flatMap((outgoing) =>
      outgoing.to === to && outgoing.message.type === type
        ? [outgoing.message as Extract<Message, { type: Type }>]
        : [],
    )
  }

  /** Names of the timers set, with their shortest waits. */
  timers(): [string, number][] {
    return this.of('set-timer').map(({ name, afterMs }) => [name, afterMs])
  }

  /** What it reported as refused. */
  refused(): { what: string; reason: string }[] {
    return this.of('report').flatMap(({ report }) =>
      report.type === 'refused' ? [{ what: report.what, reason: report.reason }] : [],
    )
  }

  entries(): Entry[] {
    return this.of('persist').flatMap(({ entries }) => entries)
  }

  kinds(): string[] {
    return this.entries().map(({ kind }) => kind)
  }

  get lead(): Lead {
    if (this.state.lead === null) throw new Error('It does not lead.')
    return this.state.lead
  }

  get replica(): Replica {
    if (this.state.replica === null) throw new Error('It is no replica.')
    return this.state.replica
  }

  openOf(worker: PeerId): Assignment | undefined {
    return Object.values(this.lead.head.open).find((assignment) => assignment.worker === worker)
  }

  #answer(effect: Effect): void {
    if (effect.type === 'hold-payload') this.event({ type: 'payload-held', payload: effect.payload })
    if (effect.type === 'apply-outer') {
      const digest = digestOf(effect.version)
      this.event({ type: 'outer-applied', version: effect.version, digest, stateDigest: digest })
    }
  }
}

/** A founder that leads alone, with `others` joined as workers; everyone has a round. */
export function leading(changes: Record<string, unknown> = {}, others: readonly PeerId[] = []): Driven {
  const driven = new Driven(setupOf(founder, { startPeers: others.length + 1, replicas: 1, ...changes }))
  driven.start(...others)
  for (const peer of others) join(driven, peer)
  return driven
}

/** A replica of a run in which these vote, up and connected to them all, with the vectors of version 0. */
export function voter(
  self: PeerId,
  voters: readonly PeerId[],
  { hard = { term: 1, vote: null, epoch: 0 }, log = [], learners = [], changes = {} }: VoterOptions = {},
): Driven {
  const ledger = ledgerOf([...voters, ...learners], voters)
  const payloads = log.flatMap((entry) => (entry.kind === 'apply' ? [entry.payload] : []))
  const setup = setupOf(self, changes, heldAfter(ledger, { hard, log, payloads }))
  const rest = [...voters, ...learners].filter((peer) => peer !== self)
  return new Driven(setup).start(...rest).clear()
}

export interface VoterOptions {
  readonly hard?: HardState
  /** What its log has after the entries that `ledgerOf` makes. */
  readonly log?: readonly Entry[]
  readonly learners?: readonly PeerId[]
  readonly changes?: Record<string, unknown>
}

/** Has it elected by these voters, who have all that it has. */
export function elect(driven: Driven, ...by: readonly PeerId[]): Driven {
  driven.timer('election')
  const term = driven.state.term + 1
  for (const pre of [true, false])
    for (const peer of by)
      driven.from(peer, { type: 'vote', epoch: 0, term, pre, granted: true, reason: 'because' })
  return driven
}

/** Says for a replica that it has durable all that was sent. */
export function acknowledge(driven: Driven, ...peers: readonly PeerId[]): Driven {
  for (const peer of peers) {
    const index = driven.lead.head.index
    driven.from(peer, { type: 'appended', epoch: 0, term: driven.lead.term, ok: true, index })
  }
  return driven
}

/** A leader of term 2 among these voters whose no-op is committed. */
export function elected(voters: readonly PeerId[], options: VoterOptions = {}): Driven {
  const [self, ...rest] = voters
  const driven = elect(voter(self, voters, options), ...rest)
  acknowledge(driven, ...rest)
  // What it added then: its own admission, if it was none, and the first rounds.
  return acknowledge(driven, ...rest)
}

export function join(driven: Driven, peer: PeerId, changes: Partial<Join> = {}): void {
  driven.from(peer, {
    type: 'join',
    name: peer.slice(3),
    cluster: 'lake',
    role: 'replica',
    speed: 10,
    holding: [],
    log: null,
    addresses: [],
    through: null,
    ...changes,
  })
}

/** The answer of a replica that has everything to the heartbeat sent just now. */
export function pulse(driven: Driven, peer: PeerId, changes: Partial<Pulse> = {}): Pulse {
  const { lead, epoch, term, replica } = driven.state
  const open = lead === null ? undefined : driven.openOf(peer)
  return {
    type: 'pulse',
    epoch,
    term,
    beat: driven.at,
    index: lead?.head.index ?? 0,
    held: replica === null ? null : { version: replica.applied, stateDigest: replica.stateDigest },
    phase: 'training',
    assignments: open === undefined ? [] : [open.id],
    step: 0,
    ...changes,
  }
}

export const manifestOf = ({ id, base, steps }: Assignment, changes: Partial<Manifest> = {}): Manifest => ({
  assignment: id,
  base,
  steps,
  codec: 'fp32',
  payload: payloadOf(id),
  bytes: 4,
  chunkBytes: 4,
  chunks: [payloadOf(id)],
  norm: 1,
  speed: 10,
  loss: 1,
  ...changes,
})

/** The manifest that a worker would make of its open assignment. */
export function manifestFor(driven: Driven, worker: PeerId, changes: Partial<Manifest> = {}): Manifest {
  const open = driven.openOf(worker)
  if (open === undefined) throw new Error(`${worker} has no open assignment.`)
  return manifestOf(open, changes)
}

export function arrive(driven: Driven, worker: PeerId, changes: Partial<Manifest> = {}): Manifest {
  const manifest = manifestFor(driven, worker, changes)
  driven.event({ type: 'contribution', from: worker, manifest, problem: null })
  return manifest
}
