// A whole swarm in one process: the production core on a virtual clock and a virtual network.
import type { Assignment } from '../core/entries.js'
import type { Effect, NewEvent, PeerEvent } from '../core/events.js'
import { type PeerId, peerId } from '../core/ids.js'
import { emptyLedger } from '../core/ledger.js'
import type { Manifest, Message } from '../core/messages.js'
import { createPeer, step } from '../core/peer.js'
import type { Report } from '../core/reports.js'
import type { PeerSetup, PeerState } from '../core/state.js'
import { fragmentCount } from '../outer/fragments.js'
import { shardScheduleSteps } from '../outer/learning-rate.js'
import { uniform } from '../outer/random.js'
import { firstSnapshot, type Snapshot } from '../outer/snapshot.js'
import { sha256 } from '../platform/sha256.js'
import type { RunConfig, StopConfig } from '../swarmfile/schema.js'
import { codecsOf } from '../tensor/codec.js'
import { VirtualClock } from './clock.js'
import { VirtualDisk } from './disk.js'
import { VirtualExecutor } from './executor.js'
import { type NetworkModel, quietNetwork, VirtualNetwork } from './network.js'
import { OuterSteps } from './outer-steps.js'
import { type Device, heldOn, SimulatedPeer } from './peer.js'
import { Processes } from './processes.js'
import { Promises } from './promises.js'
import type { ClusterWorkers, Sabotage } from './rounds.js'
import type { SimulatedTask } from './task.js'
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
  /** What is trained, instead of the toy. */
  readonly task?: SimulatedTask
  /** Of several swarms in one time. */
  readonly clock?: VirtualClock
  /** Sequences per shard. */
  readonly shardSizes?: readonly number[]
  /** The clusters that work in this swarm, if it is one above others. */
  readonly above?: ClusterWorkers
  /** Called after every event. */
  readonly stepped?: (peer: SimulatedPeer, before: PeerState, after: PeerState) => void
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

/** Virtual time that no test's run takes. */
const oneHourMs = 3_600_000

export class SimulatedSwarm {
  readonly clock: VirtualClock
  readonly reports: SimulatedReport[] = []
  readonly peers = new Map<string, SimulatedPeer>()
  readonly task: SimulatedTask
  readonly promises: Promises
  /** Events handled by all peers together. */
  events = 0
  readonly network: VirtualNetwork
  readonly #byId = new Map<PeerId, SimulatedPeer>()
  readonly #executor: VirtualExecutor
  readonly #shardSizes: readonly number[]
  readonly #scheduleSteps: readonly number[]
  readonly #founder: PeerId
  readonly #outerSteps: OuterSteps
  /** What the run begins with. */
  readonly #first: Snapshot
  #stop: StopConfig
  #draws = 0

  constructor(readonly options: SimulationOptions) {
    const { run, devices, seed = 1, network = quietNetwork, dimensions = 8, scheduleSteps = 1_000 } = options
    this.#stop = run.stop
    this.clock = options.clock ?? new VirtualClock()
    const roll = () => uniform(seed, this.#draws++)
    this.#shardSizes = options.shardSizes ?? Array.from({ length: run.data.shards }, () => 1_000)
    this.#scheduleSteps = shardScheduleSteps(scheduleSteps, this.#shardSizes)
    const { learningRate: peak, minLearningRate: min, warmupSteps } = run.inner
    const schedule = { peak, min, warmupSteps, totalSteps: this.#scheduleSteps }
    this.task = options.task ?? new QuadraticTask(dimensions, run.data.shards, run.seed, schedule)
    for (const device of devices) {
      const disk = new VirtualDisk(this.clock, roll)
      disk.slowness = device.diskSlowness ?? 1
      const peer = new SimulatedPeer(peerId(`id-${device.name}`), device, disk)
      this.peers.set(device.name, peer)
      this.#byId.set(peer.id, peer)
    }
    this.#founder = this.peer(devices[0].name).id
    const ledger = emptyLedger(this.#shardSizes, this.#founder)
    this.#first = firstSnapshot(this.task.initial(), ledger, run, sha256)
    this.#outerSteps = new OuterSteps(run)
    this.promises = new Promises(this.#first, this.#outerSteps, this.#byId)
    this.network = new VirtualNetwork(network, this.clock, roll, this.#byId, {
      connected: (peer, other) => this.handle(peer, { type: 'connected', peer: other.id }),
      disconnected: (peer, other) => this.handle(peer, { type: 'disconnected', peer: other }),
    })
    this.#executor = new VirtualExecutor({
      network: this.network,
      task: this.task,
      promises: this.promises,
      outerSteps: this.#outerSteps,
      codecs: codecsOf(run.compression),
      fragments: fragmentCount(run),
      mixing: run.fragments?.mixing ?? 0,
      allCodecs: codecsOf({ ...run.compression, codec: 'auto' }),
      sabotage: this.options.sabotage ?? (() => null),
      clock: this.clock,
      peers: this.#byId,
      roll,
      processes: new Processes(this.clock, (peer, event) => this.handle(peer, event)),
      above: options.above ?? null,
      report: (peer, report) => this.reports.push({ ...report, at: this.clock.now, peer: peer.name }),
    })
  }

  /** Starts a peer, for the first time or again from its disk. */
  start(name: string): void {
    const peer = this.peer(name)
    if (peer.memory !== null) this.crash(name)
    const setup = this.#setup(peer)
    const kept = heldOn(peer.disk, setup, this.#first)
    const snapshots = new Map()
    if (kept !== null) snapshots.set(kept.held.ledger.version, kept.snapshot)
    peer.outcome = null
    peer.paused = null
    this.promises.forget(name)
    peer.memory = {
      state: createPeer({ ...setup, held: kept?.held ?? null }),
      snapshots,
      timers: new Map(),
      topics: new Set(),
      cancelTraining: null,
      residual: peer.disk.residual,
      standing: peer.disk.standing,
      takenIn: new Map(),
      installs: 0,
    }
    const speed = 1 / peer.device.secondsPerStep
    const holding = [...peer.disk.records.values()].map(({ manifest }) => manifest)
    this.handle(peer, { type: 'started', speed, holding })
    this.network.join(peer)
  }

  startAll(): this {
    for (const { name } of this.options.devices) this.start(name)
    return this
  }

  /** The process dies: memory and timers are gone, the disk stays. */
  crash(name: string): void {
    const peer = this.peer(name)
    const { memory } = peer
    if (memory === null) return
    for (const cancel of memory.timers.values()) cancel()
    memory.cancelTraining?.()
    peer.memory = null
    peer.paused = null
    peer.disk.crash()
    this.network.leave(peer)
  }

  /** The disk is lost too, and the key on it: the peer comes back as another. Only one that is not running can lose it. */
  wipe(name: string): void {
    const peer = this.peer(name)
    if (peer.memory !== null) throw new Error(`${name} is running.`)
    this.promises.wiped(peer)
    peer.disk.wipe()
    this.#byId.delete(peer.id)
    peer.id = peerId(`${peer.id}'`)
    this.#byId.set(peer.id, peer)
  }

  /** A bit flips in the memory of a replica: what it makes from here on is not what the others make. */
  corrupt(name: string, parameter = 0): void {
    const { memory } = this.peer(name)
    const version = memory?.state.replica?.applied ?? 0
    const held = memory?.snapshots.get(version)
    if (memory === null || held === undefined) throw new Error(`${name} holds no outer state.`)
    memory.snapshots.set(version, this.#outerSteps.flipped(held, parameter))
  }

  /** The process stands still: what happens to it waits. */
  pause(name: string): void {
    const peer = this.peer(name)
    if (peer.running) peer.paused ??= []
  }

  goOn(name: string): void {
    const peer = this.peer(name)
    const waiting = peer.paused
    peer.paused = null
    for (const event of waiting ?? []) this.handle(peer, event)
  }

  /** Nothing gets from or to this peer until it is mended. What is on its way already arrives. */
  cut(name: string): void {
    const peer = this.peer(name)
    for (const other of this.peers.values()) {
      if (other === peer) continue
      this.network.block(peer, other)
      this.network.block(other, peer)
    }
  }

  mend(name: string): void {
    const peer = this.peer(name)
    for (const other of this.peers.values()) {
      if (other === peer) continue
      this.network.unblock(peer, other)
      this.network.unblock(other, peer)
    }
  }

  stop(name: string): void {
    const peer = this.peer(name)
    if (peer.memory !== null) this.handle(peer, { type: 'stop-requested' })
  }

  /** Runs until virtual time is up, or the run is over and nothing is left to happen. */
  run(untilMs = oneHourMs): this {
    while (this.clock.advance(untilMs)) {}
    if (![...this.peers.values()].some(({ outcome }) => outcome === 'finished' || outcome === 'failed'))
      this.clock.skipTo(untilMs)
    return this
  }

  /** The same with a task that takes real time: virtual time stands still for it. */
  async runAwaiting(untilMs = oneHourMs): Promise<this> {
    do await this.clock.settled()
    while (this.clock.advance(untilMs))
    return this.run(untilMs)
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
    const { memory } = this.peer(name)
    if (memory === null) throw new Error(`${name} is not running.`)
    return memory.state
  }

  /** Who leads the newest term, as far as anyone who runs says so. */
  leader(): string | null {
    const leading = [...this.peers.values()].filter((peer) => peer.running && peer.memory?.state.lead != null)
    leading.sort((a, b) => (b.memory?.state.term ?? 0) - (a.memory?.state.term ?? 0))
    return leading[0]?.name ?? null
  }

  /** Every peer has another stop rule from now on, as if it had been started again with one. */
  stopAt(stop: StopConfig): void {
    this.#stop = stop
    for (const { memory } of this.peers.values())
      if (memory !== null) memory.state = { ...memory.state, setup: { ...memory.state.setup, stop } }
  }

  /** A message out of turn, as a hostile or confused peer would send it. */
  inject(from: string, to: string, message: Message): void {
    const receiver = this.peer(to)
    const { memory } = receiver
    const sender = this.peer(from).id
    this.clock.after(0, () => {
      if (receiver.memory === memory) this.handle(receiver, { type: 'message', from: sender, message })
    })
  }

  /** A contribution out of turn, as it comes by gossip from a hostile or confused worker. */
  injectContribution(from: string, to: string, manifest: Manifest, gradient: Float32Array): void {
    const [sender, receiver] = [this.peer(from), this.peer(to)]
    this.clock.after(0, () => this.#executor.receive(receiver, sender.id, manifest, gradient))
  }

  #setup(peer: SimulatedPeer): PeerSetup {
    const { run, devices } = this.options
    const { cluster, role = 'replica' } = peer.device
    return {
      self: { id: peer.id, name: peer.name, cluster, role, addresses: [] },
      run,
      stop: this.#stop,
      founder: this.#founder,
      clusters: [...new Set(devices.map(({ cluster }) => cluster))],
      shardSizes: this.#shardSizes,
      scheduleSteps: this.#scheduleSteps,
      tokensPerStep: run.inner.batch,
      parameters: this.task.dimensions,
      held: null,
    }
  }

  /** @throws Error if there is none of this name */
  peer(name: string): SimulatedPeer {
    const peer = this.peers.get(name)
    if (peer === undefined) throw new Error(`There is no simulated peer '${name}'.`)
    return peer
  }

  /** An event of one peer: now, or when it goes on if it stands still. */
  handle(peer: SimulatedPeer, news: NewEvent): void {
    const { memory } = peer
    if (memory === null || peer.outcome !== null) return
    if (peer.paused !== null) {
      peer.paused.push(news)
      return
    }
    const event: PeerEvent = { ...news, at: this.clock.now * (peer.device.clockRate ?? 1) }
    const [state, effects] = step(memory.state, event)
    const before = memory.state
    memory.state = state
    this.events++
    this.promises.check(peer, state)
    this.options.trace?.({ at: this.clock.now, peer: peer.name, event, effects })
    for (const effect of effects) this.#executor.carryOut(peer, effect)
    this.options.stepped?.(peer, before, state)
  }
}
