// One simulated peer: the production state machine, a disk that survives crashes, and vectors in memory.
import type { Assignment, Entry } from '../core/entries.js'
import type { Hash, PeerId, Version } from '../core/ids.js'
import { applyEntry, emptyLedger } from '../core/ledger.js'
import type { Manifest, Topic } from '../core/messages.js'
import type { HeldState, PeerSetup, PeerState } from '../core/state.js'
import { firstSnapshot, nextSnapshot, type Snapshot } from '../outer/snapshot.js'
import { sha256 } from '../platform/sha256.js'
import { codecs } from '../tensor/codec.js'
import { norm } from '../tensor/vector.js'

/** Survives a crash. */
export interface Disk {
  readonly journal: Entry[]
  readonly payloads: Map<Hash, Float32Array>
  record: { readonly manifest: Manifest; readonly gradient: Float32Array } | null
}

export interface Device {
  readonly name: string
  readonly cluster: string
  readonly secondsPerStep: number
}

/** What a crash takes away. */
export interface Memory {
  state: PeerState
  readonly snapshots: Map<Version, Snapshot>
  readonly timers: Map<string, () => void>
  readonly topics: Set<string>
  cancelTraining: (() => void) | null
}

export class SimulatedPeer {
  readonly disk: Disk = { journal: [], payloads: new Map(), record: null }
  memory: Memory | null = null
  outcome: string | null = null

  constructor(
    readonly id: PeerId,
    readonly device: Device,
  ) {}

  get name(): string {
    return this.device.name
  }

  /** Its process is alive and its part of the run not over. */
  get running(): boolean {
    return this.memory !== null && this.outcome === null
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

/** What a voter's disk amounts to: the ledger of its journal, and the vectors by replaying its payloads. */
export function replay(
  disk: Disk,
  theta: Float32Array,
  { shardSizes, run }: PeerSetup,
): { held: HeldState; snapshot: Snapshot } {
  let ledger = emptyLedger(shardSizes)
  let snapshot = firstSnapshot(theta, ledger, run.outer, sha256)
  for (const entry of disk.journal) {
    ledger = applyEntry(ledger, entry)
    if (entry.kind !== 'apply') continue
    const gradient = disk.payloads.get(entry.payload)
    if (gradient === undefined)
      throw new Error(`The journal names payload ${entry.payload}, which is not on disk.`)
    snapshot = nextSnapshot(snapshot, entry, ledger, gradient, run.outer, sha256)
  }
  const { digest, stateDigest } = snapshot
  return {
    held: { ledger, log: disk.journal.slice(), digest, stateDigest },
    snapshot: { ...snapshot, ledger },
  }
}

/** A contribution as a worker makes it: one chunk, for the toy's vectors are short. */
export function contributionOf(
  { id, base, steps }: Assignment,
  gradient: Float32Array,
  speed: number,
  loss: number,
): Manifest {
  const bytes = codecs.fp32.encode(gradient)
  const payload = sha256(bytes)
  return {
    assignment: id,
    base,
    steps,
    codec: 'fp32',
    payload,
    bytes: bytes.length,
    chunkBytes: bytes.length,
    chunks: [payload],
    norm: norm(gradient),
    speed,
    loss,
  }
}
