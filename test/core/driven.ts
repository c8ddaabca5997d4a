// One peer driven by hand: events in, effects out; what the disk and the outer optimizer do is answered at once.
import type { Effect, NewEvent } from '../../src/core/events.js'
import { type Hash, hash, type PeerId, peerId } from '../../src/core/ids.js'
import { emptyLedger } from '../../src/core/ledger.js'
import type { Manifest, Message } from '../../src/core/messages.js'
import { createPeer, step } from '../../src/core/peer.js'
import type { Lead, PeerSetup, PeerState } from '../../src/core/state.js'
import { runConfig } from '../swarm/swarms.js'

/** A digest that names its version, the same at every peer. */
export const digestOf = (version: number): Hash => hash(String(version).padStart(64, '0'))
export const founder = peerId('id-founder')
export const other = peerId('id-other')

export function setupOf(self: PeerId, changes: Record<string, unknown> = {}): PeerSetup {
  const run = runConfig({
    startPeers: 1,
    validation: { everyVersions: 1_000 },
    stop: { versions: 1_000 },
    ...changes,
  })
  const shardSizes = Array.from({ length: run.data.shards }, () => 100)
  return {
    self: { id: self, name: self.slice(3), cluster: 'lake' },
    run,
    stop: run.stop,
    voters: [founder],
    clusters: ['lake', 'meadow'],
    shardSizes,
    scheduleSteps: shardSizes.map(() => 1_000),
    tokensPerStep: 8,
    held:
      self === founder
        ? { ledger: emptyLedger(shardSizes), log: [], digest: digestOf(0), stateDigest: digestOf(0) }
        : null,
  }
}

export class Driven {
  state: PeerState
  at = 0
  /** Everything since `clear`. */
  effects: Effect[] = []
  /** Whether the outer step and the disk answer at once. */
  prompt = true

  constructor(setup: PeerSetup) {
    this.state = createPeer(setup)
  }

  event(event: NewEvent): this {
    const [state, effects] = step(this.state, { ...event, at: this.at })
    this.state = state
    this.effects.push(...effects)
    for (const effect of effects) if (this.prompt) this.#answer(effect)
    return this
  }

  from(peer: PeerId, message: Message): this {
    return this.event({ type: 'message', from: peer, message })
  }

  /** Lets time pass with a heartbeat every second, answered by `alive`. */
  pass(ms: number, alive: readonly PeerId[] = []): this {
    for (const end = this.at + ms; this.at < end; ) {
      this.at += 1_000
      this.event({ type: 'timer', name: 'heartbeat' })
      for (const peer of alive) this.from(peer, pulse())
    }
    return this
  }

  clear(): this {
    this.effects = []
    return this
  }

  of<Type extends Effect['type']>(type: Type): Extract<Effect, { type: Type }>[] {
    return this.effects.filter((effect): effect is Extract<Effect, { type: Type }> => effect.type === type)
  }

  sent<Type extends Message['type']>(to: PeerId, type: Type): Extract<Message, { type: Type }>[] {
    return this.of('send').flatMap((effect) =>
      effect.to === to && effect.message.type === type
        ? [effect.message as Extract<Message, { type: Type }>]
        : [],
    )
  }

  entries() {
    return this.of('append').flatMap(({ entries }) => entries)
  }

  get lead(): Lead {
    if (this.state.lead === null) throw new Error('It does not lead.')
    return this.state.lead
  }

  openOf(worker: PeerId) {
    return Object.values(this.lead.head.open).find((assignment) => assignment.worker === worker)
  }

  #answer(effect: Effect): void {
    if (effect.type === 'append')
      this.event({ type: 'appended', index: effect.entries[effect.entries.length - 1].index })
    if (effect.type === 'apply-outer') {
      const digest = digestOf(effect.version)
      this.event({ type: 'outer-applied', version: effect.version, digest, stateDigest: digest })
    }
  }
}

/** A founder that leads, with `others` joined; everyone has a round. */
export function leading(changes: Record<string, unknown> = {}, others: readonly PeerId[] = []): Driven {
  const driven = new Driven(setupOf(founder, { startPeers: others.length + 1, ...changes }))
  driven.event({ type: 'started', speed: 10, holding: null })
  for (const peer of others) join(driven, peer)
  return driven
}

export function join(
  driven: Driven,
  peer: PeerId,
  changes: Partial<Extract<Message, { type: 'join' }>> = {},
): void {
  const name = peer.slice(3)
  driven.from(peer, {
    type: 'join',
    name,
    cluster: 'lake',
    speed: 10,
    holding: null,
    index: null,
    ...changes,
  })
}

export function pulse(changes: Partial<Extract<Message, { type: 'pulse' }>> = {}): Message {
  return {
    type: 'pulse',
    term: 1,
    index: 0,
    held: null,
    phase: 'training',
    assignment: null,
    step: 0,
    ...changes,
  }
}

/** The manifest that a worker would make of its open assignment. */
export function manifestFor(driven: Driven, worker: PeerId, changes: Partial<Manifest> = {}): Manifest {
  const open = driven.openOf(worker)
  if (open === undefined) throw new Error(`${worker} has no open assignment.`)
  const payload = hash(open.id.slice(1).padStart(64, 'f'))
  return {
    assignment: open.id,
    base: open.base,
    steps: open.steps,
    codec: 'fp32',
    payload,
    bytes: 4,
    chunkBytes: 4,
    chunks: [payload],
    norm: 1,
    speed: 10,
    loss: 1,
    ...changes,
  }
}

export function arrive(driven: Driven, worker: PeerId, changes: Partial<Manifest> = {}): Manifest {
  const manifest = manifestFor(driven, worker, changes)
  driven.event({ type: 'contribution', from: worker, manifest, problem: null })
  return manifest
}
