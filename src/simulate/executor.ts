// Carries out what the core decides, in virtual time: disk, outer step, transfers and training of every peer.
import type { Assignment } from '../core/entries.js'
import type { Effect, NewEvent } from '../core/events.js'
import type { PeerId } from '../core/ids.js'
import type { Manifest, Message, Topic } from '../core/messages.js'
import type { Report } from '../core/reports.js'
import { nextSnapshot, type Snapshot, VersionBroken } from '../outer/snapshot.js'
import { sha256 } from '../platform/sha256.js'
import type { OuterConfig } from '../swarmfile/schema.js'
import { checkContribution } from '../tensor/contribution.js'
import type { VirtualNetwork } from './network.js'
import { contributionOf, type Memory, type SimulatedPeer, topicName } from './peer.js'
import type { Promises } from './promises.js'
import type { QuadraticTask } from './toy-trainer.js'

/** The engine fails; the pseudo-gradient is not a number; its norm is not the one its manifest states. */
export type Sabotage = 'engine-fails' | 'not-finite' | 'wrong-norm'

/** What the executor needs of the swarm around it. */
export interface ExecutorParts {
  readonly network: VirtualNetwork
  readonly task: QuadraticTask
  readonly promises: Promises
  readonly outer: OuterConfig
  readonly sabotage: (peer: string, assignment: Assignment) => Sabotage | null
  readonly nowMs: () => number
  /** Runs something after a time, unless the peer's process died before; the result takes it back. */
  readonly after: (peer: SimulatedPeer, delayMs: number, run: () => void) => () => void
  readonly handle: (peer: SimulatedPeer, event: NewEvent) => void
  readonly report: (peer: SimulatedPeer, report: Report) => void
}

type Of<Type extends Effect['type']> = Extract<Effect, { type: Type }>

/** A disk's flush, an outer step and a validation of the toy, a request that fails: short against a round. */
const fsyncMs = 2
const outerStepMs = 1
const validationMs = 5
const failureMs = 10
/** Versions a donor keeps: enough for those on their way. */
const snapshotsKept = 16

export class VirtualExecutor {
  constructor(private readonly parts: ExecutorParts) {}

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
      case 'append':
        return this.#append(peer, effect)
      case 'apply-outer':
        return this.#applyOuter(peer, memory, effect)
      case 'fetch-snapshot':
        return this.#fetchSnapshot(peer, memory, effect)
      case 'fetch-theta':
        return this.#fetchTheta(peer, memory, effect)
      case 'pull-contribution':
        return this.#pull(peer, effect)
      case 'train':
        return this.#train(peer, memory, effect)
      case 'abort-training':
        return memory.cancelTraining?.()
      case 'publish-contribution':
        return this.#publishContribution(peer, effect)
      case 'forget-contribution':
        if (peer.disk.record?.manifest.assignment === effect.assignment) peer.disk.record = null
        return
      case 'validate':
        return this.#validate(peer, effect)
      case 'say-farewell':
        return this.#farewell(peer, effect.to)
      case 'report':
        return this.parts.report(peer, effect.report)
      case 'end':
        peer.outcome = effect.outcome
        for (const cancel of memory.timers.values()) cancel()
        memory.cancelTraining?.()
        return
      case 'place':
      case 'checkpoint':
        return
      default:
        return effect satisfies never
    }
  }

  #later(peer: SimulatedPeer, delayMs: number, event: NewEvent): () => void {
    return this.parts.after(peer, delayMs, () => this.parts.handle(peer, event))
  }

  #setTimer(peer: SimulatedPeer, { timers }: Memory, { name, afterMs }: Of<'set-timer'>): void {
    timers.get(name)?.()
    timers.set(name, this.#later(peer, afterMs, { type: 'timer', name }))
  }

  #append(peer: SimulatedPeer, { entries }: Of<'append'>): void {
    const { after, handle, promises } = this.parts
    after(peer, fsyncMs, () => {
      peer.disk.journal.push(...entries)
      for (const entry of entries) promises.committed(entry)
      handle(peer, { type: 'appended', index: entries[entries.length - 1].index })
    })
  }

  #send(from: SimulatedPeer, to: PeerId, message: Message): void {
    const { network, nowMs } = this.parts
    const receiver = network.reachable(from, to)
    if (receiver?.running !== true) return
    this.#later(receiver, network.streamDelayMs(from, receiver, nowMs()), {
      type: 'message',
      from: from.id,
      message,
    })
  }

  #publish(from: SimulatedPeer, topic: Topic, message: Message): void {
    const { network } = this.parts
    for (const to of network.subscribers(from, topic)) {
      for (const delayMs of network.gossipDelaysMs(from, to))
        this.#later(to, delayMs, { type: 'message', from: from.id, message })
    }
  }

  #publishContribution(from: SimulatedPeer, { topic, manifest }: Of<'publish-contribution'>): void {
    const { network, after } = this.parts
    const gradient = from.disk.record?.gradient
    if (gradient === undefined)
      throw new Error(`${from.name} publishes a contribution that is not on its disk.`)
    for (const to of network.subscribers(from, topic)) {
      for (const delayMs of network.gossipDelaysMs(from, to))
        after(to, delayMs, () => this.#receive(to, from.id, manifest, gradient))
    }
    if (from.subscribes(topic)) this.#receive(from, from.id, manifest, gradient)
    this.#later(from, 0, { type: 'contribution-published', assignment: manifest.assignment })
  }

  #pull(peer: SimulatedPeer, { from, manifest }: Of<'pull-contribution'>): void {
    const record = this.parts.network.reachable(peer, from)?.disk.record
    if (record?.manifest.payload === manifest.payload)
      return this.#receive(peer, from, manifest, record.gradient)
    this.#later(peer, failureMs, { type: 'pull-failed', manifest, reason: 'the worker does not hold it' })
  }

  /** Checked, then durable, then told to the core. */
  #receive(peer: SimulatedPeer, from: PeerId, manifest: Manifest, gradient: Float32Array): void {
    const { task, after, handle } = this.parts
    const problem = checkContribution(gradient, manifest, task.dimensions)
    after(peer, fsyncMs, () => {
      if (problem === null) peer.disk.payloads.set(manifest.payload, gradient)
      handle(peer, { type: 'contribution', from, manifest, problem })
    })
  }

  #applyOuter(
    peer: SimulatedPeer,
    { snapshots }: Memory,
    { entry, ledger, version, donors }: Of<'apply-outer'>,
  ): void {
    const { network, outer, after, handle } = this.parts
    const local = peer.disk.payloads.get(entry.payload)
    const gradient = local ?? this.#payloadOf(peer, entry.payload, donors)
    const before = snapshots.get(version - 1)
    if (gradient === undefined || before === undefined) {
      const reason = 'nobody holds its payload'
      this.#later(peer, failureMs, { type: 'outer-failed', version, reason, lasting: false })
      return
    }
    let next: Snapshot
    try {
      next = nextSnapshot(before, entry, ledger, gradient, outer, sha256)
    } catch (error) {
      if (!(error instanceof VersionBroken)) throw error
      const { message: reason } = error
      this.#later(peer, outerStepMs, { type: 'outer-failed', version, reason, lasting: true })
      return
    }
    after(peer, outerStepMs + (local === undefined ? network.model.betweenMs : 0), () => {
      snapshots.set(version, next)
      snapshots.delete(version - snapshotsKept)
      const { digest, stateDigest } = next
      handle(peer, { type: 'outer-applied', version, digest, stateDigest })
    })
  }

  #payloadOf(peer: SimulatedPeer, payload: Manifest['payload'], donors: readonly PeerId[]) {
    return donors
      .map((id) => this.parts.network.reachable(peer, id)?.disk.payloads.get(payload))
      .find((gradient) => gradient !== undefined)
  }

  #fetchSnapshot(
    peer: SimulatedPeer,
    { snapshots }: Memory,
    { version, donors }: Of<'fetch-snapshot'>,
  ): void {
    const { network } = this.parts
    const snapshot = network.reachable(peer, donors[0])?.held(version)
    if (snapshot === undefined) {
      const reason = 'the donor does not hold it any more'
      this.#later(peer, failureMs, { type: 'snapshot-failed', reason })
      return
    }
    snapshots.clear()
    snapshots.set(version, snapshot)
    const { ledger, digest, stateDigest } = snapshot
    const installed = { type: 'snapshot-installed', ledger, digest, stateDigest } as const
    this.#later(peer, 2 * network.model.betweenMs, installed)
  }

  #fetchTheta(
    peer: SimulatedPeer,
    { snapshots }: Memory,
    { version, digest, donors }: Of<'fetch-theta'>,
  ): void {
    const { network, after, handle } = this.parts
    const snapshot = peer.held(version) ?? network.reachable(peer, donors[0])?.held(version)
    if (snapshot === undefined || snapshot.digest !== digest) {
      const reason = 'the donor does not hold it any more'
      this.#later(peer, failureMs, { type: 'theta-failed', version, reason })
      return
    }
    after(peer, 2 * network.model.betweenMs, () => {
      snapshots.set(version, snapshot)
      handle(peer, { type: 'theta-ready', version })
    })
  }

  #train(peer: SimulatedPeer, memory: Memory, { assignment }: Of<'train'>): void {
    const { after } = this.parts
    const base = memory.snapshots.get(assignment.base)
    if (base === undefined) {
      const reason = `version ${assignment.base} is not held here any more`
      this.#later(peer, 0, { type: 'training-failed', assignment: assignment.id, reason })
      return
    }
    const roundMs = assignment.steps * peer.device.secondsPerStep * 1000
    memory.cancelTraining = after(peer, roundMs, () => this.#finishRound(peer, assignment, base))
  }

  #finishRound(peer: SimulatedPeer, assignment: Assignment, { outer: { theta } }: Snapshot): void {
    const { task, after, handle } = this.parts
    const { secondsPerStep } = peer.device
    const { id, steps } = assignment
    const sabotage = this.parts.sabotage(peer.name, assignment)
    if (sabotage === 'engine-fails')
      return handle(peer, { type: 'training-failed', assignment: id, reason: 'the engine failed' })
    const { gradient, loss } = task.train(theta, assignment)
    if (sabotage === 'not-finite') gradient[0] = Number.NaN
    const sound = contributionOf(assignment, gradient, 1 / secondsPerStep, loss)
    const manifest = sabotage === 'wrong-norm' ? { ...sound, norm: 2 * sound.norm } : sound
    after(peer, fsyncMs, () => {
      peer.disk.record = { manifest, gradient }
      handle(peer, { type: 'stepped', assignment: id, step: steps, loss, ms: secondsPerStep * 1000 })
      handle(peer, { type: 'trained', manifest })
    })
  }

  #validate(peer: SimulatedPeer, { version }: Of<'validate'>): void {
    const held = peer.held(version)
    if (held === undefined)
      throw new Error(`${peer.name} validates version ${version}, which it does not hold.`)
    const loss = this.parts.task.evaluate(held.outer.theta)
    this.#later(peer, validationMs, { type: 'validated', version, loss })
  }

  #farewell(peer: SimulatedPeer, to: PeerId): void {
    const account = { utilisation: 1, emulated: 0, bytesSent: {}, interClusterBytes: 0 }
    const message: Message = { type: 'farewell', ...account }
    if (to === peer.id) this.#later(peer, 0, { type: 'message', from: peer.id, message })
    else this.#send(peer, to, message)
  }
}
