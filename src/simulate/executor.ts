// Carries out what the core decides, in virtual time: every effect of every peer, by the part whose business it is.
import type { Effect, EffectOf } from '../core/events.js'
import type { PeerId } from '../core/ids.js'
import type { Farewell, Manifest, Message, Topic } from '../core/messages.js'
import type { Report } from '../core/reports.js'
import { type ContributionParts, Contributions } from './contributions.js'
import { type Memory, type SimulatedPeer, topicName } from './peer.js'
import { type RoundParts, Rounds } from './rounds.js'
import { type VersionParts, Versions } from './versions.js'

/** What the executor needs of the swarm around it. */
export interface ExecutorParts extends ContributionParts, RoundParts, VersionParts {
  readonly peers: ReadonlyMap<PeerId, SimulatedPeer>
  /** In [0, 1); each call is a new draw. */
  readonly roll: () => number
  readonly report: (peer: SimulatedPeer, report: Report) => void
}

/** A validation of the toy: short against a round. */
const validationMs = 5

export class VirtualExecutor {
  readonly #contributions: Contributions
  readonly #rounds: Rounds
  readonly #versions: Versions

  constructor(private readonly parts: ExecutorParts) {
    this.#contributions = new Contributions(parts)
    this.#rounds = new Rounds(parts)
    this.#versions = new Versions(parts)
  }

  carryOut(peer: SimulatedPeer, effect: Effect): void {
    const { memory } = peer
    if (memory === null) return
    switch (effect.type) {
      case 'send':
        return this.#send(peer, effect.to, effect.message)
      case 'publish':
        return this.#publish(peer, effect.topic, effect.message)
      case 'subscribe':
        memory.topics.add(topicName(effect.topic))
        return
      case 'set-timer':
        return this.#setTimer(peer, memory, effect)
      case 'cancel-timer':
        return memory.timers.get(effect.name)?.()
      case 'persist':
        return this.#persist(peer, effect)
      case 'compact':
        return peer.disk.compact(effect.base)
      case 'forget-replica':
        memory.installs++
        memory.snapshots.clear()
        return peer.disk.forgetReplica()
      case 'hold-payload':
        return this.#contributions.hold(peer, effect)
      case 'drop-payloads':
        return peer.disk.dropPayloads(effect.payloads)
      case 'save-snapshot':
        return this.#versions.save(peer, memory, effect)
      case 'apply-outer':
        return this.#versions.applyOuter(peer, memory, effect)
      case 'fetch-snapshot':
        return this.#versions.fetchSnapshot(peer, memory, effect)
      case 'fetch-theta':
        return this.#versions.fetchTheta(peer, memory, effect)
      case 'pull-contribution':
        return this.#contributions.pull(peer, effect)
      case 'train':
        return this.#rounds.train(peer, memory, effect)
      case 'abort-training':
        return memory.cancelTraining?.()
      case 'make-report':
        return this.#versions.makeReport(peer, memory, effect)
      case 'publish-contribution':
        return this.#contributions.publish(peer, effect)
      case 'forget-contribution':
        return this.#rounds.forget(peer, memory, effect)
      case 'validate':
        return this.#validate(peer, effect)
      case 'say-farewell':
        return this.#sayFarewell(peer, effect.to)
      case 'report':
        return this.parts.report(peer, effect.report)
      case 'end':
        peer.outcome = effect.outcome
        this.parts.above?.ended(peer, effect.outcome, effect.reason)
        for (const cancel of memory.timers.values()) cancel()
        memory.cancelTraining?.()
        return
      // Peers of a simulation know each other's addresses, are not kept from speaking, and write no checkpoints.
      case 'call':
      case 'shut-out':
      case 'place':
      case 'checkpoint':
        return
      default:
        return effect satisfies never
    }
  }

  /** A contribution comes to a peer, out of turn or not. @param gradient as the payload decodes */
  receive(peer: SimulatedPeer, from: PeerId, manifest: Manifest, gradient: Float32Array): void {
    this.#contributions.receive(peer, from, manifest, gradient)
  }

  #setTimer(peer: SimulatedPeer, { timers }: Memory, { name, afterMs, spreadMs }: EffectOf<'set-timer'>) {
    timers.get(name)?.()
    const drawn = spreadMs === undefined ? 0 : spreadMs * this.parts.roll()
    const rate = peer.device.clockRate ?? 1
    const event = { type: 'timer', name } as const
    timers.set(name, this.parts.processes.tellAfter(peer, (afterMs + drawn) / rate, event))
  }

  #persist(peer: SimulatedPeer, { hard, entries, thenSend }: EffectOf<'persist'>): void {
    const { processes } = this.parts
    const last = entries.at(-1)
    const done = processes.ifAlive(peer, () => {
      for (const { to, message } of thenSend) this.#send(peer, to, message)
      if (last !== undefined) processes.tell(peer, { type: 'persisted', index: last.index, term: last.term })
    })
    peer.disk.persist(hard, entries, done)
  }

  #send(from: SimulatedPeer, to: PeerId, message: Message): void {
    const { network, peers, promises, processes } = this.parts
    promises.sent(from, message)
    if (to === from.id) {
      processes.tellAfter(from, 0, { type: 'message', from: from.id, message })
      return
    }
    const receiver = peers.get(to)
    if (receiver === undefined) return
    const deliver = () => processes.tell(receiver, { type: 'message', from: from.id, message })
    network.stream(from, receiver, processes.ifAlive(receiver, deliver))
  }

  #publish(from: SimulatedPeer, topic: Topic, message: Message): void {
    const { network, processes } = this.parts
    for (const to of network.subscribers(from, topic)) {
      for (const delayMs of network.gossipDelaysMs(from, to))
        processes.tellAfter(to, delayMs, { type: 'message', from: from.id, message })
    }
  }

  #validate(peer: SimulatedPeer, { version }: EffectOf<'validate'>): void {
    const held = peer.held(version)
    if (held === undefined)
      throw new Error(`${peer.name} validates version ${version}, which it does not hold.`)
    const { task, clock, processes } = this.parts
    const { memory } = peer
    clock.when(task.evaluate(held.outer.theta), (loss) => {
      if (peer.memory === memory)
        processes.tellAfter(peer, validationMs, { type: 'validated', version, loss })
    })
  }

  #sayFarewell(peer: SimulatedPeer, to: PeerId): void {
    const account = { utilisation: 1, emulated: 0, bytesSent: {}, interClusterBytes: 0 }
    const say = (farewell: Farewell) => this.#send(peer, to, farewell)
    if (this.parts.above?.keepsAccount(peer, say) !== true) say({ type: 'farewell', ...account })
  }
}
