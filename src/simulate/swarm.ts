// A whole swarm in one process: the production core on a virtual clock and a virtual network.
import type { Assignment } from '../core/entries.js'
import type { Effect, NewEvent, PeerEvent } from '../core/events.js'
import { type PeerId, peerId } from '../core/ids.js'
import type { Message } from '../core/messages.js'
import { createPeer, step } from '../core/peer.js'
import type { Report } from '../core/reports.js'
import type { PeerSetup } from '../core/state.js'
import { shardScheduleSteps } from '../outer/learning-rate.js'
import type { RunConfig } from '../swarmfile/schema.js'
import { VirtualClock } from './clock.js'
import { type Sabotage, VirtualExecutor } from './executor.js'
import { type NetworkModel, quietNetwork, VirtualNetwork } from './network.js'
import { type Device, replay, SimulatedPeer } from './peer.js'
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

export interface TraceLine {
  readonly at: number
  readonly peer: string
  readonly event: PeerEvent
  readonly effects: readonly Effect[]
}

export type SimulatedReport = Report & { readonly at: number; readonly peer: string }

/** Until both sides notice that a connection came or went. */
const noticedMs = 1
/** Virtual time that no test's run takes. */
const oneHourMs = 3_600_000

export class SimulatedSwarm {
  readonly clock = new VirtualClock()
  readonly reports: SimulatedReport[] = []
  readonly peers = new Map<string, SimulatedPeer>()
  readonly task: QuadraticTask
  readonly promises: Promises
  /** Events handled by all peers together. */
  events = 0
  readonly #byId = new Map<PeerId, SimulatedPeer>()
  readonly #network: VirtualNetwork
  readonly #executor: VirtualExecutor
  readonly #shardSizes: readonly number[]
  readonly #scheduleSteps: readonly number[]

  constructor(readonly options: SimulationOptions) {
    const { run, devices, seed = 1, network = quietNetwork, dimensions = 8, scheduleSteps = 1_000 } = options
    this.#network = new VirtualNetwork(network, seed, this.#byId)
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
    this.#executor = new VirtualExecutor({
      network: this.#network,
      task: this.task,
      promises: this.promises,
      outer: run.outer,
      sabotage: this.options.sabotage ?? (() => null),
      nowMs: () => this.clock.now,
      after: (peer, delayMs, then) => this.#after(peer, delayMs, then),
      handle: (peer, event) => this.#handle(peer, event),
      report: (peer, report) => this.reports.push({ ...report, at: this.clock.now, peer: peer.name }),
    })
  }

  /** Starts a peer, for the first time or again from its disk. */
  start(name: string): void {
    const peer = this.#peer(name)
    const founder = this.options.devices[0].name === name
    const snapshots = new Map()
    let setup = this.#setup(peer)
    if (founder) {
      const { held, snapshot } = replay(peer.disk, this.task.initial(), setup)
      setup = { ...setup, held }
      snapshots.set(held.ledger.version, snapshot)
    }
    peer.outcome = null
    this.promises.forget(name)
    peer.memory = {
      state: createPeer(setup),
      snapshots,
      timers: new Map(),
      topics: new Set(),
      cancelTraining: null,
    }
    const speed = 1 / peer.device.secondsPerStep
    this.#handle(peer, { type: 'started', speed, holding: peer.disk.record?.manifest ?? null })
    this.#connect(peer)
  }

  #connect(peer: SimulatedPeer): void {
    for (const other of this.#network.running()) {
      if (other === peer || !this.#network.reaches(other, peer)) continue
      this.#later(peer, noticedMs, { type: 'connected', peer: other.id })
      this.#later(other, noticedMs, { type: 'connected', peer: peer.id })
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
    for (const other of this.#network.running())
      this.#later(other, noticedMs, { type: 'disconnected', peer: peer.id })
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
    this.#network.cut(peer)
    for (const other of this.#network.running()) {
      if (other === peer) continue
      this.#later(peer, noticedMs, { type: 'disconnected', peer: other.id })
      this.#later(other, noticedMs, { type: 'disconnected', peer: peer.id })
    }
  }

  mend(name: string): void {
    const peer = this.#peer(name)
    if (this.#network.mend(peer) && peer.running) this.#connect(peer)
  }

  stop(name: string): void {
    const peer = this.#peer(name)
    if (peer.memory !== null) this.#handle(peer, { type: 'stop-requested' })
  }

  /** Runs until virtual time is up, or the run is over and nothing is left to happen. */
  run(untilMs = oneHourMs): this {
    while (this.clock.advance(untilMs)) {}
    const founder = this.#peer(this.options.devices[0].name)
    if (founder.outcome !== 'finished' && founder.outcome !== 'failed') this.clock.skipTo(untilMs)
    return this
  }

  runUntil(condition: () => boolean, untilMs = oneHourMs): this {
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

  /** Runs something after a time, unless the peer's process died before. */
  #after(peer: SimulatedPeer, delayMs: number, run: () => void): () => void {
    const { memory } = peer
    return this.clock.after(delayMs, () => {
      if (memory !== null && peer.memory === memory) run()
    })
  }

  #later(peer: SimulatedPeer, delayMs: number, event: NewEvent): void {
    this.#after(peer, delayMs, () => this.#handle(peer, event))
  }

  #handle(peer: SimulatedPeer, news: NewEvent): void {
    const { memory } = peer
    if (memory === null || peer.outcome !== null) return
    const event: PeerEvent = { ...news, at: this.clock.now }
    const [state, effects] = step(memory.state, event)
    memory.state = state
    this.events++
    this.promises.check(state)
    this.options.trace?.({ at: this.clock.now, peer: peer.name, event, effects })
    for (const effect of effects) this.#executor.carryOut(peer, effect)
  }
}
