// A hierarchical run in one process: a swarm for every cluster and one above them, in one virtual time. Who leads a
// cluster speaks for it above, as a worker whose local steps are the cluster's contributions.
import type { Assignment, Verdict } from '../core/entries.js'
import type { AssignmentId } from '../core/ids.js'
import type { Farewell, Manifest } from '../core/messages.js'
import { reportOfRound, representation } from '../core/representative.js'
import type { PeerState } from '../core/state.js'
import { clusterRun, shardsOf, upperRun } from '../swarmfile/hierarchy.js'
import type { RunConfig } from '../swarmfile/schema.js'
import { VirtualClock } from './clock.js'
import type { Record } from './disk.js'
import { type NetworkModel, quietNetwork } from './network.js'
import type { Device, SimulatedPeer } from './peer.js'
import type { ClusterWorkers } from './rounds.js'
import { SimulatedSwarm } from './swarm.js'
import type { SimulatedTask } from './task.js'

export interface HierarchyOptions {
  /** With a `hierarchy`. */
  readonly run: RunConfig
  /** The first of each cluster founds it, and the first of all the swarm above. */
  readonly devices: readonly Device[]
  /** Names of those who hold the outer state of the swarm above; the first of each cluster unless given. */
  readonly above?: readonly string[]
  readonly network?: NetworkModel
  readonly seed?: number
  readonly dimensions?: number
  readonly task?: SimulatedTask
}

/** Sequences of a shard. */
const shardSize = 1_000
/** Virtual time that no test's run takes. */
const oneHourMs = 3_600_000

export class SimulatedHierarchy {
  readonly clock = new VirtualClock()
  readonly clusters = new Map<string, SimulatedSwarm>()
  readonly above: SimulatedSwarm
  /** Processes that nothing gets from or to. */
  readonly #cut = new Set<string>()
  /** Who speaks for a cluster. */
  readonly #speakers = new Map<string, SimulatedPeer>()
  /** Accounts of clusters that are not at their ends yet. */
  readonly #accounts = new Map<string, (account: Farewell) => void>()
  readonly #verdicts = new Map<string, { assignment: AssignmentId; outcome: Verdict['kind'] | null }>()

  constructor({ run, devices, above, network = quietNetwork, seed = 1, dimensions, task }: HierarchyOptions) {
    const { hierarchy } = run
    if (hierarchy === undefined) throw new Error('This run has no hierarchy.')
    const names = [...new Set(devices.map(({ cluster }) => cluster))]
    const common = {
      network,
      ...(dimensions !== undefined && { dimensions }),
      ...(task !== undefined && { task }),
    }
    const sizes = Array.from({ length: run.data.shards }, () => shardSize)
    for (const [at, cluster] of names.entries()) {
      const swarm = new SimulatedSwarm({
        ...common,
        run: clusterRun(run),
        devices: devices.filter((device) => device.cluster === cluster),
        seed: seed * names.length + at,
        clock: this.clock,
        shardSizes: shardsOf(sizes, at, names.length),
        stepped: (peer, before, after) => this.#follow(cluster, peer, before, after),
      })
      this.clusters.set(cluster, swarm)
    }
    const first = names.map((cluster) => devices.find((device) => device.cluster === cluster)?.name)
    const holders = devices.filter(({ name }) => (above ?? first).includes(name))
    const workers = names.map((name) => ({ name, cluster: name, secondsPerStep: 1, role: 'worker' as const }))
    this.above = new SimulatedSwarm({
      ...common,
      run: upperRun(run, hierarchy, names.length),
      devices: [...holders.map((device) => ({ ...device, role: 'holder' as const })), ...workers],
      seed: seed + 1_000_000,
      clock: this.clock,
      above: this.#workers,
    })
  }

  start(name: string): void {
    this.#clusterOf(name).start(name)
    if (this.above.peers.has(name)) this.above.start(name)
  }

  startAll(): this {
    for (const swarm of this.clusters.values()) for (const name of swarm.peers.keys()) this.start(name)
    return this
  }

  /** The process dies: what it was in its cluster, above, and for its cluster above. */
  crash(name: string): void {
    const swarm = this.#clusterOf(name)
    const peer = swarm.peer(name)
    swarm.crash(name)
    if (this.above.peers.has(name)) this.above.crash(name)
    if (this.#speakers.get(peer.device.cluster) === peer) this.#fallSilent(peer.device.cluster)
  }

  /** Nothing gets from or to it until it is mended: in its cluster, above, and as who speaks for its cluster there. */
  cut(name: string): void {
    this.#cut.add(name)
    this.#partsOf(name, (swarm, part) => swarm.cut(part))
  }

  mend(name: string): void {
    this.#cut.delete(name)
    this.#partsOf(name, (swarm, part) => swarm.mend(part))
  }

  /** The process stands still. */
  pause(name: string): void {
    this.#partsOf(name, (swarm, part) => swarm.pause(part))
  }

  goOn(name: string): void {
    this.#partsOf(name, (swarm, part) => swarm.goOn(part))
  }

  /** Its disk is lost, and the key on it; only one that is not running can lose it. */
  wipe(name: string): void {
    this.#clusterOf(name).wipe(name)
    if (this.above.peers.has(name)) this.above.wipe(name)
  }

  /** What a process is: a peer of its cluster's swarm, maybe one above, and there its cluster while it speaks for it. */
  #partsOf(name: string, act: (swarm: SimulatedSwarm, part: string) => void): void {
    const swarm = this.#clusterOf(name)
    act(swarm, name)
    if (this.above.peers.has(name)) act(this.above, name)
    const { cluster } = swarm.peer(name).device
    if (this.speaker(cluster) === name) act(this.above, cluster)
  }

  /** Runs until virtual time is up, or the swarm above and all below it are at their ends. */
  run(untilMs = oneHourMs): this {
    return this.runUntil(() => false, untilMs)
  }

  runUntil(condition: () => boolean, untilMs = oneHourMs): this {
    while (!condition() && this.clock.advance(untilMs)) {}
    return this
  }

  /** The same with a task that takes real time: virtual time stands still for it. */
  async runAwaiting(untilMs = oneHourMs): Promise<this> {
    do await this.clock.settled()
    while (this.clock.advance(untilMs))
    return this
  }

  /** @throws Error if there is no such cluster */
  cluster(name: string): SimulatedSwarm {
    const swarm = this.clusters.get(name)
    if (swarm === undefined) throw new Error(`There is no simulated cluster '${name}'.`)
    return swarm
  }

  /** Name of the peer that speaks for a cluster above. */
  speaker(cluster: string): string | null {
    return this.#speakers.get(cluster)?.name ?? null
  }

  #clusterOf(name: string): SimulatedSwarm {
    for (const swarm of this.clusters.values()) if (swarm.peers.has(name)) return swarm
    throw new Error(`There is no simulated peer '${name}'.`)
  }

  /** What the swarm above does with its workers. */
  readonly #workers: ClusterWorkers = {
    begun: (worker, assignment, theta) => this.#begun(worker, assignment, theta),
    settled: ({ name }, assignment, outcome) => void this.#verdicts.set(name, { assignment, outcome }),
    ended: ({ name }, outcome, reason) => this.#ended(name, outcome, reason),
    keepsAccount: ({ name }, say) => this.clusters.has(name) && this.#accounts.set(name, say).has(name),
  }

  #begun({ name }: SimulatedPeer, assignment: Assignment, theta: Float32Array) {
    const { id, base, baseDigest: digest, steps } = assignment
    const swarm = this.clusters.get(name)
    const speaker = this.#speakers.get(name)
    if (swarm === undefined || speaker === undefined) return false
    const report = speaker.memory === null ? null : reportOfRound(speaker.memory.state, assignment)
    if (report !== null) {
      this.#contribute(name, speaker, report)
      return true
    }
    const verdict = this.#verdicts.get(name) ?? null
    speaker.disk.putPayload(digest, theta, () => {
      swarm.handle(speaker, { type: 'payload-held', payload: digest })
      swarm.handle(speaker, { type: 'parent-round', round: { id, base, steps }, digest, verdict })
    })
    return true
  }

  #ended(cluster: string, outcome: string, reason: string): void {
    const speaker = this.#speakers.get(cluster)
    if (speaker === undefined || (outcome !== 'finished' && outcome !== 'failed')) return
    this.cluster(cluster).handle(speaker, { type: 'parent-finished', reason, ok: outcome === 'finished' })
  }

  #follow(cluster: string, peer: SimulatedPeer, before: PeerState, after: PeerState): void {
    for (const news of representation(before, after)) {
      switch (news.type) {
        case 'begin':
          this.#speak(cluster, peer, news.holding)
          break
        case 'contribute':
          this.#contribute(cluster, peer, news.manifest)
          break
        case 'conclude':
          if (this.#speakers.get(cluster) === peer) this.#accounts.get(cluster)?.(news.account)
          break
        case 'end':
          if (this.#speakers.get(cluster) === peer) this.#fallSilent(cluster)
          break
        default:
          news satisfies never
      }
    }
  }

  #speak(cluster: string, peer: SimulatedPeer, holding: readonly Manifest[]): void {
    this.#fallSilent(cluster)
    this.#speakers.set(cluster, peer)
    this.#verdicts.delete(cluster)
    this.above.peer(cluster).disk.beginWith(holding.map((manifest) => this.#record(cluster, manifest)))
    this.#connect(cluster, peer)
    this.above.start(cluster)
  }

  /** A cluster is reached above as far as who speaks for it is. */
  #connect(cluster: string, { name }: SimulatedPeer): void {
    if (this.#cut.has(name)) return this.above.cut(cluster)
    this.above.mend(cluster)
    for (const other of this.#cut) if (this.above.peers.has(other)) this.above.cut(other)
  }

  #fallSilent(cluster: string): void {
    this.#accounts.delete(cluster)
    this.#speakers.delete(cluster)
    this.above.crash(cluster)
  }

  #contribute(cluster: string, peer: SimulatedPeer, manifest: Manifest): void {
    const worker = this.above.peer(cluster)
    if (this.#speakers.get(cluster) !== peer) return
    const trained = () => this.above.handle(worker, { type: 'trained', manifest })
    worker.disk.saveRecord(this.#record(cluster, manifest), trained)
  }

  /** A report is durable on most of the cluster's voters: whoever speaks for it has it, or pulls it. */
  #record(cluster: string, manifest: Manifest): Record {
    for (const { disk } of this.cluster(cluster).peers.values()) {
      const gradient = disk.payloads.get(manifest.payload)
      if (gradient !== undefined) return { manifest, gradient, residual: null }
    }
    throw new Error(`Nobody of ${cluster} holds the report of ${manifest.assignment}.`)
  }
}
