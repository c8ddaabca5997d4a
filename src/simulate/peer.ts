// One simulated peer: the production state machine, a disk that survives crashes, and vectors in memory.
import type { Assignment, Role } from '../core/entries.js'
import type { NewEvent } from '../core/events.js'
import type { AssignmentId, PeerId, Version } from '../core/ids.js'
import { termAt } from '../core/log.js'
import type { Manifest, Topic } from '../core/messages.js'
import type { HeldState, PeerSetup, PeerState } from '../core/state.js'
import type { Snapshot } from '../outer/snapshot.js'
import { sha256 } from '../platform/sha256.js'
import type { Codec } from '../tensor/codec.js'
import { compress } from '../tensor/error-feedback.js'
import { fragmentAt, lengthOf } from '../tensor/fragments.js'
import type { Standing } from '../tensor/mixing.js'
import { manifestOf } from '../wire/chunks.js'
import type { Record, VirtualDisk } from './disk.js'

export interface Device {
  readonly name: string
  readonly cluster: string
  readonly secondsPerStep: number
  /** `replica` unless given. */
  readonly role?: Role
  /** Others of whom this is said cannot connect to it, nor it to them. */
  readonly behindNat?: boolean
  /** Its clock's speed; 1 is the true one. */
  readonly clockRate?: number
  /** Its disk takes so many times longer than a good one. */
  readonly diskSlowness?: number
}

/** What a crash takes away. */
export interface Memory {
  state: PeerState
  readonly snapshots: Map<Version, Snapshot>
  readonly timers: Map<string, () => void>
  readonly topics: Set<string>
  cancelTraining: (() => void) | null
  /** What coding has lost until now, unsettled rounds taken as applied; null if nothing. */
  residual: Float32Array | null
  /** After its latest round, of a run that mixes; and own contributions applied since, with their fragments. */
  standing: Standing | null
  readonly takenIn: Map<AssignmentId, number>
  /** Counts the snapshots installed: an outer step begun before the last one is void. */
  installs: number
}

export class SimulatedPeer {
  memory: Memory | null = null
  outcome: string | null = null
  /** What waits while its process stands still; null while it runs. */
  paused: NewEvent[] | null = null

  constructor(
    /** A peer that lost its disk comes back under another. */
    public id: PeerId,
    readonly device: Device,
    readonly disk: VirtualDisk,
  ) {}

  get name(): string {
    return this.device.name
  }

  /** Its process is alive and its part of the run not over. */
  get running(): boolean {
    return this.memory !== null && this.outcome === null
  }

  get isPaused(): boolean {
    return this.paused !== null
  }

  subscribes(topic: Topic): boolean {
    return this.memory?.topics.has(topicName(topic)) === true
  }

  held(version: Version): Snapshot | undefined {
    return this.memory?.snapshots.get(version)
  }
}

export const topicName = (topic: Topic): string =>
  'cluster' in topic ? `${topic.kind}/${topic.cluster}` : topic.kind

/**
 * What a replica's disk amounts to; null where it was none, unless it founds the run.
 *
 * @param first what a run begins with
 */
export function heldOn(
  disk: VirtualDisk,
  { founder, self }: PeerSetup,
  first: Snapshot,
): { readonly held: HeldState; readonly snapshot: Snapshot } | null {
  const { hard, log, payloads } = disk
  const newest = disk.snapshots.at(-1)
  if (newest === undefined && self.id !== founder) return null
  const snapshot = newest ?? first
  const { ledger, digest, stateDigest } = snapshot
  // A snapshot that was fetched may be ahead of the log, if a crash came before the log was cut.
  if (termAt(log, ledger.index) !== ledger.term) disk.compact({ index: ledger.index, term: ledger.term })
  const held = { hard, ledger, digest, stateDigest, ...log, payloads: [...payloads.keys()] }
  return { held, snapshot }
}

/**
 * A contribution as a worker makes it.
 *
 * @param lost before, by coding or in other fragments; null if nothing was
 * @param fragments of the run
 */
export function contributionOf(
  { id: assignment, base, steps, fragment }: Pick<Assignment, 'id' | 'base' | 'steps' | 'fragment'>,
  g: Float32Array,
  lost: Float32Array | null,
  codec: Codec,
  { speed, loss }: Pick<Manifest, 'speed' | 'loss'>,
  fragments = 1,
): Record {
  const stretch = fragmentAt(g.length, fragments, fragment ?? 0)
  const { payload, residual, norm } = compress(g, lost, codec, stretch)
  const of = fragment === undefined ? {} : { fragment }
  const round = { assignment, base, steps, codec: codec.name, ...of, norm, speed, loss }
  return {
    manifest: manifestOf(round, payload, sha256),
    gradient: codec.decode(payload, lengthOf(stretch)),
    residual,
  }
}
