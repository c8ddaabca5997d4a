// A whole swarm in one process: the production core on a virtual clock and a virtual network.
import type { Assignment } from '../core/entries.js'
import type { Effect, PeerEvent } from '../core/events.js'
import { type PeerId, peerId } from '../core/ids.js'
import type { Message, Topic } from '../core/messages.js'
import { createPeer, step } from '../core/peer.js'
import type { Report } from '../core/reports.js'
import type { PeerSetup } from '../core/state.js'
import { shardScheduleSteps } from '../outer/learning-rate.js'
import { initialState, outerOptimizer } from '../outer/optimizer.js'
import type { RunConfig } from '../swarmfile/schema.js'
import { checkContribution } from '../tensor/contribution.js'
import { VirtualClock } from './clock.js'
import { Dice, delay, gossipDelays, type NetworkModel, quietNetwork } from './network.js'
import { contributionOf, type Device, holdVersion, replay, SimulatedPeer, takeOuterStep } from './peer.js'
import { Promises } from './promises.js'
import { QuadraticTask } from './toy-trainer.js'

export interface SimulationOptions {
  readonly run: RunConfig
  /** The first founds the run. */
  readonly devices: readonly Device[]
  readonly network?: NetworkModel
  readonly seed?: number
  /** Length of the toy's parameter vector, and total local steps of its schedule. */
  readonly dimensions?: number
  readonly scheduleSteps?: number
  /** What goes wrong in a round; nothing unless given. */
  readonly sabotage?: (peer: string, assignment: Assignment) => Sabotage | null
  /** Called with everything that happens, for transcripts. */
  readonly trace?: (line: TraceLine) => void
}

/** The engine fails; the pseudo-gradient is not a number; its norm is not the one its manifest states. */
export type Sabotage = 'engine-fails' | 'not-finite' | 'wrong-norm'

export interface TraceLine {
  readonly at: number
  readonly peer: string
  readonly event: PeerEvent
  readonly effects: readonly Effect[]
}

export type SimulatedReport = Report & { readonly at: number; readonly peer: string }

/** A disk's flush and an outer step of the toy: short against everything else. */
const fsyncMs = 2
const outerStepMs = 1
/** Versions a donor keeps: enough for those on their way. */
const versionsKept = 16

export class SimulatedSwarm {
  readonly clock = new VirtualClock()
  readonly reports: SimulatedReport[] = []
  readonly peers = new Map<string, SimulatedPeer>()
  readonly task: QuadraticTask
  readonly promises: Promises
  /** Events handled by all peers together. */
  events = 0
  readonly #byId = new Map<PeerId, SimulatedPeer>()
  readonly #cut = new Set<SimulatedPeer>()
  /** When the latest message on each direct stream arrives: the next one does not overtake it. */
  readonly #streams = new Map<string, number>()
  readonly #dice: Dice
  readonly #network: NetworkModel
  readonly #shardSizes: readonly number[]
  readonly #scheduleSteps: readonly number[]

  constructor(readonly options: SimulationOptions) {
    const { run, devices, seed = 1, network = quietNetwork, dimensions = 8, scheduleSteps = 1_000 } = options
    this.#dice = new Dice(seed)
    this.#network = network
    this.#shardSizes = Array.from({ length: run.data.shards }, () => 1_000)
    this.#scheduleSteps = shardScheduleSteps(scheduleSteps, this.#shardSizes)
    const { learningRate: peak, minLearningRate: min, warmupSteps } = run.inner
    const schedule = { peak, min, warmupSteps, totalSteps: this.#scheduleSteps }
    this.task = new QuadraticTask(dimensions, run.data.shards, run.seed, schedule)
    this.promises = new Promises(run.data.shards)
    for (const device of devices) {
      const peer = new SimulatedPeer(peerId(`id-${device.name}`), device)
      this.peers.set(device.name, peer)
      this.#byId.set(peer.id, peer)
    }
  }

  /** Starts a peer, for the first time or again from its disk. */
  start(name: string): void {
    const peer = this.#peer(name)
    const founder = this.options.devices[0].name === name
    const versions = new Map()
    let setup = this.#setup(peer)
    if (founder) {
      const { held, version } = replay(peer.disk, this.task.initial(), setup)
      setup = { ...setup, held }
      versions.set(held.ledger.version, version)
    }
    peer.outcome = null
    this.promises.forget(name)
    peer.memory = {
      state: createPeer(setup),
      versions,
      timers: new Map(),
      topics: new Set(),
      cancelTraining: null,
    }
    const speed = 1 / peer.device.secondsPerStep
    this.#handle(peer, {
      at: this.clock.now,
      type: 'started',
      speed,
      holding: peer.disk.record?.manifest ?? null,
    })
    this.#connect(peer)
  }

  #connect(peer: SimulatedPeer): void {
    for (const other of this.#running()) {
      if (other === peer || !this.#reach(other, peer)) continue
      this.#later(peer, 1, { type: 'connected', peer: other.id })
      this.#later(other, 1, { type: 'connected', peer: peer.id })
    }
  }

  startAll(): this {
    for (const { name } of this.options.devices) this.start(name)
    return this
  }

  /** The process dies: memory and timers are gone, the disk stays. */
  crash(name: string): void {
    const peer = this.#peer(name)
    if (peer.memory === null) return
    for (const cancel of peer.memory.timers.values()) cancel()
    peer.memory.cancelTraining?.()
    peer.memory = null
    for (const other of this.#running()) this.#later(other, 1, { type: 'disconnected', peer: peer.id })
  }

  /** The disk is lost too; only a peer that is not running can lose it. */
  wipe(name: string): void {
    const { disk, memory } = this.#peer(name)
    if (memory !== null) throw new Error(`${name} is running.`)
    disk.journal.length = 0
    disk.payloads.clear()
    disk.record = null
  }

  /** Nothing gets from or to this peer until it is mended. What is on its way already arrives. */
  cut(name: string): void {
    const peer = this.#peer(name)
    this.#cut.add(peer)
    for (const other of this.#running()) {
      if (other === peer) continue
      this.#later(peer, 1, { type: 'disconnected', peer: other.id })
      this.#later(other, 1, { type: 'disconnected', peer: peer.id })
    }
  }

  mend(name: string): void {
    const peer = this.#peer(name)
    if (this.#cut.delete(peer) && peer.memory !== null && peer.outcome === null) this.#connect(peer)
  }

  #reach(a: SimulatedPeer, b: SimulatedPeer): boolean {
    return !this.#cut.has(a) && !this.#cut.has(b)
  }

  stop(name: string): void {
    const peer = this.#peer(name)
    if (peer.memory !== null) this.#handle(peer, { at: this.clock.now, type: 'stop-requested' })
  }

  /** Runs until virtual time is up, or the run is over and nothing is left to happen. */
  run(untilMs = 3_600_000): this {
    while (this.clock.advance(untilMs)) {}
    const founder = this.#peer(this.options.devices[0].name)
    if (founder.outcome !== 'finished' && founder.outcome !== 'failed') this.clock.skipTo(untilMs)
    return this
  }

  runUntil(condition: () => boolean, untilMs = 3_600_000): this {
    while (!condition() && this.clock.advance(untilMs)) {}
    return this
  }

  /** Reports of one type, in order. */
  of<Type extends Report['type']>(type: Type): (SimulatedReport & { type: Type })[] {
    return this.reports.filter((report): report is SimulatedReport & { type: Type } => report.type === type)
  }

  state(name: string) {
    const { memory } = this.#peer(name)
    if (memory === null) throw new Error(`${name} is not running.`)
    return memory.state
  }

  /** A message out of turn, as a hostile or confused peer would send it. */
  inject(from: string, to: string, message: Message): void {
    this.#later(this.#peer(to), 0, { type: 'message', from: this.#peer(from).id, message })
  }

  #setup(peer: SimulatedPeer): PeerSetup {
    const { run, devices } = this.options
    return {
      self: { id: peer.id, name: peer.name, cluster: peer.device.cluster },
      run,
      stop: run.stop,
      voters: [this.#peer(devices[0].name).id],
      clusters: [...new Set(devices.map(({ cluster }) => cluster))],
      shardSizes: this.#shardSizes,
      scheduleSteps: this.#scheduleSteps,
      tokensPerStep: run.inner.batch,
      held: null,
    }
  }

  #peer(name: string): SimulatedPeer {
    const peer = this.peers.get(name)
    if (peer === undefined) throw new Error(`There is no simulated peer '${name}'.`)
    return peer
  }

  #running(): SimulatedPeer[] {
    return [...this.peers.values()].filter((peer) => peer.memory !== null && peer.outcome === null)
  }

  /** An event for a peer after some time, dropped if the peer's process is another one by then. */
  #later(peer: SimulatedPeer, afterMs: number, event: DistributiveOmit<PeerEvent, 'at'>): () => void {
    const { memory } = peer
    return this.clock.after(afterMs, () => {
      if (peer.memory !== null && peer.memory === memory) {
        this.#handle(peer, { ...event, at: this.clock.now } as PeerEvent)
      }
    })
  }

  #handle(peer: SimulatedPeer, event: PeerEvent): void {
    const { memory } = peer
    if (memory === null || peer.outcome !== null) return
    const [state, effects] = step(memory.state, event)
    memory.state = state
    this.events++
    this.promises.check(state)
    this.options.trace?.({ at: this.clock.now, peer: peer.name, event, effects })
    for (const effect of effects) this.#carryOut(peer, effect)
  }

  #carryOut(peer: SimulatedPeer, effect: Effect): void {
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
        memory.timers.get(effect.name)?.()
        memory.timers.set(
          effect.name,
          this.#later(peer, effect.afterMs, { type: 'timer', name: effect.name }),
        )
        return
      case 'cancel-timer':
        return memory.timers.get(effect.name)?.()
      case 'append': {
        const { entries } = effect
        this.#durably(peer, () => {
          peer.disk.journal.push(...entries)
          for (const entry of entries) this.promises.committed(entry)
          this.#handle(peer, {
            at: this.clock.now,
            type: 'appended',
            index: entries[entries.length - 1].index,
          })
        })
        return
      }
      case 'apply-outer':
        return this.#applyOuter(peer, effect)
      case 'fetch-snapshot':
        return this.#fetchSnapshot(peer, effect)
      case 'fetch-theta':
        return this.#fetchTheta(peer, effect)
      case 'pull-contribution':
        return this.#pull(peer, effect)
      case 'train':
        return this.#train(peer, effect)
      case 'abort-training':
        return memory.cancelTraining?.()
      case 'publish-contribution':
        return this.#publishContribution(peer, effect)
      case 'forget-contribution':
        if (peer.disk.record?.manifest.assignment === effect.assignment) peer.disk.record = null
        return
      case 'validate': {
        const held = memory.versions.get(effect.version)
        if (held === undefined)
          throw new Error(`${peer.name} validates version ${effect.version}, which it does not hold.`)
        this.#later(peer, 5, {
          type: 'validated',
          version: effect.version,
          loss: this.task.evaluate(held.outer.theta),
        })
        return
      }
      case 'say-farewell':
        return this.#farewell(peer, effect.to)
      case 'report':
        this.reports.push({ ...effect.report, at: this.clock.now, peer: peer.name })
        return
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

  /** Runs after a flush, unless the process died before. */
  #durably(peer: SimulatedPeer, then: () => void): void {
    const { memory } = peer
    this.clock.after(fsyncMs, () => {
      if (peer.memory === memory) then()
    })
  }

  #send(from: SimulatedPeer, to: PeerId, message: Message): void {
    const receiver = this.#byId.get(to)
    if (receiver?.memory == null || receiver.outcome !== null || !this.#reach(from, receiver)) return
    const stream = `${from.id} ${to}`
    const now = this.clock.now
    const arrives = Math.max(now + this.#latency(from, receiver), this.#streams.get(stream) ?? 0)
    this.#streams.set(stream, arrives)
    this.#later(receiver, arrives - now, { type: 'message', from: from.id, message })
  }

  #latency(a: SimulatedPeer, b: SimulatedPeer): number {
    return delay(this.#network, a.device.cluster !== b.device.cluster, this.#dice)
  }

  #subscribers(from: SimulatedPeer, topic: Topic): SimulatedPeer[] {
    const name = topicName(topic)
    return this.#running().filter(
      (peer) => peer !== from && peer.memory?.topics.has(name) && this.#reach(from, peer),
    )
  }

  #publish(from: SimulatedPeer, topic: Topic, message: Message): void {
    for (const to of this.#subscribers(from, topic)) {
      const between = to.device.cluster !== from.device.cluster
      for (const afterMs of gossipDelays(this.#network, between, this.#dice)) {
        this.#later(to, afterMs, { type: 'message', from: from.id, message })
      }
    }
  }

  #publishContribution(
    from: SimulatedPeer,
    { topic, manifest }: Extract<Effect, { type: 'publish-contribution' }>,
  ): void {
    const gradient = from.disk.record?.gradient
    if (gradient === undefined)
      throw new Error(`${from.name} publishes a contribution that is not on its disk.`)
    const receive = (to: SimulatedPeer): void => {
      const problem = checkContribution(gradient, manifest, this.task.dimensions)
      this.#durably(to, () => {
        if (problem === null) to.disk.payloads.set(manifest.payload, gradient)
        this.#handle(to, { at: this.clock.now, type: 'contribution', from: from.id, manifest, problem })
      })
    }
    for (const to of this.#subscribers(from, topic)) {
      const { memory } = to
      const between = to.device.cluster !== from.device.cluster
      for (const afterMs of gossipDelays(this.#network, between, this.#dice)) {
        this.clock.after(afterMs, () => to.memory === memory && receive(to))
      }
    }
    if (from.memory?.topics.has(topicName(topic))) receive(from)
  }

  #pull(peer: SimulatedPeer, { from, manifest }: Extract<Effect, { type: 'pull-contribution' }>): void {
    const worker = this.#byId.get(from)
    const there = worker?.memory != null && this.#reach(worker, peer)
    const record = there ? worker.disk.record : null
    if (record?.manifest.payload !== manifest.payload) {
      this.#later(peer, 10, { type: 'pull-failed', manifest, reason: 'the worker does not hold it' })
      return
    }
    const problem = checkContribution(record.gradient, manifest, this.task.dimensions)
    this.#durably(peer, () => {
      if (problem === null) peer.disk.payloads.set(manifest.payload, record.gradient)
      this.#handle(peer, { at: this.clock.now, type: 'contribution', from, manifest, problem })
    })
  }

  #applyOuter(
    peer: SimulatedPeer,
    { entry, ledger, version, donors }: Extract<Effect, { type: 'apply-outer' }>,
  ): void {
    const local = peer.disk.payloads.get(entry.payload)
    const donor = donors
      .map((id) => this.#donor(peer, id))
      .find((other) => other?.disk.payloads.has(entry.payload))
    const gradient = local ?? donor?.disk.payloads.get(entry.payload)
    const before = peer.memory?.versions.get(version - 1)
    if (gradient === undefined || before === undefined) {
      this.#later(peer, 10, { type: 'outer-failed', version, reason: 'nobody holds its payload' })
      return
    }
    const outer = takeOuterStep(before.outer, entry, gradient, this.#setup(peer))
    const held = holdVersion(outer, ledger)
    const { memory } = peer
    const afterMs = outerStepMs + (local === undefined ? this.#network.betweenMs : 0)
    this.clock.after(afterMs, () => {
      if (memory === null || peer.memory !== memory) return
      memory.versions.set(version, held)
      memory.versions.delete(version - versionsKept)
      const { digest, stateDigest } = held
      this.#handle(peer, { at: this.clock.now, type: 'outer-applied', version, digest, stateDigest })
    })
  }

  #fetchSnapshot(
    peer: SimulatedPeer,
    { version, donors }: Extract<Effect, { type: 'fetch-snapshot' }>,
  ): void {
    const held = this.#donor(peer, donors[0])?.held(version)
    const { memory } = peer
    if (held === undefined || memory === null) {
      this.#later(peer, 10, { type: 'snapshot-failed', reason: 'the donor does not hold it any more' })
      return
    }
    memory.versions.clear()
    memory.versions.set(version, held)
    const { ledger, digest, stateDigest } = held
    this.#later(peer, 2 * this.#network.betweenMs, {
      type: 'snapshot-installed',
      ledger,
      digest,
      stateDigest,
    })
  }

  /** A running peer within reach. */
  #donor(peer: SimulatedPeer, id: PeerId): SimulatedPeer | undefined {
    const donor = this.#byId.get(id)
    return donor?.memory != null && this.#reach(peer, donor) ? donor : undefined
  }

  #fetchTheta(
    peer: SimulatedPeer,
    { version, digest, donors }: Extract<Effect, { type: 'fetch-theta' }>,
  ): void {
    const held = peer.held(version) ?? this.#donor(peer, donors[0])?.held(version)
    if (held === undefined || held.digest !== digest) {
      this.#later(peer, 10, { type: 'theta-failed', version, reason: 'the donor does not hold it any more' })
      return
    }
    const { memory } = peer
    this.clock.after(2 * this.#network.betweenMs, () => {
      if (memory === null || peer.memory !== memory) return
      memory.versions.set(version, held)
      this.#handle(peer, { at: this.clock.now, type: 'theta-ready', version })
    })
  }

  #train(peer: SimulatedPeer, { assignment }: Extract<Effect, { type: 'train' }>): void {
    const { memory } = peer
    const held = memory?.versions.get(assignment.base)
    if (memory == null || held === undefined) {
      const reason = `version ${assignment.base} is not held here any more`
      this.#later(peer, 0, { type: 'training-failed', assignment: assignment.id, reason })
      return
    }
    const { secondsPerStep } = peer.device
    memory.cancelTraining = this.clock.after(assignment.steps * secondsPerStep * 1000, () => {
      const sabotage = this.options.sabotage?.(peer.name, assignment) ?? null
      if (sabotage === 'engine-fails') {
        const reason = 'the engine failed'
        return this.#handle(peer, {
          at: this.clock.now,
          type: 'training-failed',
          assignment: assignment.id,
          reason,
        })
      }
      const { gradient, loss } = this.task.train(held.outer.theta, assignment)
      if (sabotage === 'not-finite') gradient[0] = Number.NaN
      const sound = contributionOf(assignment, gradient, 1 / secondsPerStep, loss)
      const manifest = sabotage === 'wrong-norm' ? { ...sound, norm: 2 * sound.norm } : sound
      this.#durably(peer, () => {
        peer.disk.record = { manifest, gradient }
        const { steps, id } = assignment
        this.#handle(peer, {
          at: this.clock.now,
          type: 'stepped',
          assignment: id,
          step: steps,
          loss,
          ms: secondsPerStep * 1000,
        })
        this.#handle(peer, { at: this.clock.now, type: 'trained', manifest })
      })
    })
  }

  #farewell(peer: SimulatedPeer, to: PeerId): void {
    const message: Message = {
      type: 'farewell',
      utilisation: 1,
      emulated: 0,
      bytesSent: {},
      interClusterBytes: 0,
    }
    if (to === peer.id) this.#later(peer, 0, { type: 'message', from: peer.id, message })
    else this.#send(peer, to, message)
  }
}

type DistributiveOmit<Type, Key extends PropertyKey> = Type extends unknown ? Omit<Type, Key> : never

const topicName = (topic: Topic): string =>
  'cluster' in topic ? `${topic.kind}/${topic.cluster}` : topic.kind

/** The state of a new run before its first event, for checks against the outer step by hand. */
export function initialOuter(swarm: SimulatedSwarm) {
  return initialState(swarm.task.initial(), outerOptimizer(swarm.options.run.outer.method))
}
