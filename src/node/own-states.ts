// The outer states that a peer holds, in its cluster and above: what its disk kept, or the beginning of what it founds.
import type { Version } from '../core/ids.js'
import type { HeldState, PeerState } from '../core/state.js'
import type { Mesh } from '../ports/mesh.js'
import type { Trainer } from '../ports/trainer.js'
import { shardsOf, upperRun } from '../swarmfile/hierarchy.js'
import type { Opened } from './above.js'
import { openAbove } from './above-disk.js'
import { keepGenesis } from './founding.js'
import type { PeerOptions } from './options.js'
import { OuterStates } from './outer-states.js'
import type { Identity } from './own-identity.js'
import type { PeerDisk } from './peer-disk.js'
import type { Reporter } from './reporter.js'
import { beginReplica, restoreReplica } from './restore.js'
import type { Entered } from './run-entry.js'
import type { RunFigures } from './setup.js'
import { SnapshotFiles } from './snapshot-files.js'
import { initialParameters } from './warm-start.js'

export interface OwnStatesParts {
  readonly options: PeerOptions
  readonly disk: PeerDisk
  readonly identity: Identity
  readonly mesh: Mesh
  readonly reporter: Reporter
  readonly entered: Entered
}

export class OwnStates {
  readonly states: OuterStates
  readonly snapshots: SnapshotFiles
  #openedAbove: Promise<Opened | null> | null = null

  constructor(
    private readonly parts: OwnStatesParts,
    private readonly figures: RunFigures,
  ) {
    this.states = new OuterStates(parts.entered.inForce.run)
    this.snapshots = new SnapshotFiles(parts.disk.paths.snapshots)
  }

  /** The outer state of a replica: the beginning of the run, or what its disk kept. */
  begin(trainer: Trainer): Promise<HeldState | null> {
    const { identity, reporter, entered } = this.parts
    const { replica, snapshot } = identity
    if (entered.founds || this.#foundsCluster()) return this.#found(trainer)
    if (snapshot === null) return Promise.resolve(null)
    return restoreReplica(replica, snapshot, this.states, (text) => reporter.warn(text))
  }

  /** The head of a cluster founds its own swarm when it comes for the first time, or died before it had. */
  #foundsCluster(): boolean {
    const { options, identity, entered } = this.parts
    const { heads } = entered.genesis
    if (heads === undefined || !identity.isNew || !identity.replica.isEmpty) return false
    return heads[entered.cluster] === options.name
  }

  /** Makes the run, or the swarm of a cluster. The run's genesis is kept last: where it is, the rest is too. */
  async #found(trainer: Trainer): Promise<HeldState> {
    const { options, disk, mesh, identity, entered } = this.parts
    const theta = await initialParameters(options.swarm?.run.warmStart, this.figures.model, trainer)
    const begun = await beginReplica(this.states, theta, this.#shardSizes(), mesh.self)
    await this.#save(0)
    await identity.replica.log.persist(begun.hard, [])
    if (entered.founds) await this.openAbove(theta)
    await keepGenesis(disk.run.genesis, entered.genesis)
    return begun
  }

  #shardSizes(): readonly number[] {
    const { entered } = this.parts
    const { run, clusters } = entered.inForce
    const { shardSizes: sizes } = this.figures
    if (run.hierarchy === undefined) return sizes
    const at = clusters.findIndex(({ name }) => name === entered.cluster)
    return shardsOf(sizes, at, clusters.length)
  }

  /** What this peer keeps of the swarm above. @param first the parameters from which that begins, if this peer founds it */
  openAbove(first: Float32Array | null): Promise<Opened | null> {
    const { disk, mesh, reporter, entered } = this.parts
    const { run, clusters } = entered.inForce
    if (run.hierarchy === undefined) return Promise.resolve(null)
    const above = upperRun(run, run.hierarchy, clusters.length)
    this.#openedAbove ??= openAbove(disk, mesh.self, above, first, (text) => reporter.warn(text))
    return this.#openedAbove
  }

  /** A replica that comes back goes on from its latest version at once. */
  async save({ replica }: PeerState): Promise<void> {
    if (replica !== null && replica.healing === null) await this.#save(replica.applied)
  }

  async #save(version: Version): Promise<void> {
    const snapshot = await this.states.snapshot(version)
    if (snapshot !== undefined) await this.snapshots.save(snapshot)
  }

  async closeAbove(): Promise<void> {
    await (await this.#openedAbove)?.close()
  }

  async close(): Promise<void> {
    await this.snapshots.settled()
    await this.states.close()
  }
}
