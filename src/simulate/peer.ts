// One simulated peer: the production state machine, a disk that survives crashes, and vectors in memory.
import { createHash } from 'node:crypto'
import type { ApplyEntry, Entry } from '../core/entries.js'
import { type Hash, hash, type PeerId, type Version } from '../core/ids.js'
import { applyEntry, emptyLedger, type LedgerState } from '../core/ledger.js'
import type { Manifest } from '../core/messages.js'
import type { HeldState, PeerSetup, PeerState } from '../core/state.js'
import { initialState, type OuterState, outerOptimizer } from '../outer/optimizer.js'
import { codecs } from '../tensor/codec.js'
import { digestState } from '../tensor/digest.js'
import { norm } from '../tensor/vector.js'

export const sha256 = (bytes: Uint8Array): Hash => hash(createHash('sha256').update(bytes).digest('hex'))

/** What a peer holds of one version. */
export interface HeldVersion {
  readonly outer: OuterState
  readonly ledger: LedgerState
  readonly digest: Hash
  readonly stateDigest: Hash
}

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
  readonly versions: Map<Version, HeldVersion>
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

  /** The version held, wherever it is: a donor serves it from memory. */
  held(version: Version): HeldVersion | undefined {
    return this.memory?.versions.get(version)
  }
}

export function holdVersion(outer: OuterState, ledger: LedgerState): HeldVersion {
  return { outer, ledger, ...digestState(outer, ledger.version, sha256) }
}

/** The outer step of one entry, by the production optimizer. */
export function takeOuterStep(
  before: OuterState,
  entry: ApplyEntry,
  gradient: Float32Array,
  { run }: PeerSetup,
): OuterState {
  return outerOptimizer(run.outer.method).apply(before, gradient, entry.weight, run.outer)
}

/** What a voter's disk amounts to: the ledger of its journal, and the vectors by replaying its payloads. */
export function replay(
  disk: Disk,
  theta: Float32Array,
  setup: PeerSetup,
): { held: HeldState; version: HeldVersion } {
  let ledger = emptyLedger(setup.shardSizes)
  let outer = initialState(theta, outerOptimizer(setup.run.outer.method))
  for (const entry of disk.journal) {
    ledger = applyEntry(ledger, entry)
    if (entry.kind !== 'apply') continue
    const gradient = disk.payloads.get(entry.payload)
    if (gradient === undefined)
      throw new Error(`The journal names payload ${entry.payload}, which is not on disk.`)
    outer = takeOuterStep(outer, entry, gradient, setup)
  }
  const version = holdVersion(outer, ledger)
  const { digest, stateDigest } = version
  return { held: { ledger, log: disk.journal.slice(), digest, stateDigest }, version }
}

/** A contribution as a worker makes it: one chunk, for the toy's vectors are short. */
export function contributionOf(
  assignment: { id: Manifest['assignment']; base: Version; steps: number },
  gradient: Float32Array,
  speed: number,
  loss: number,
): Manifest {
  const bytes = codecs.fp32.encode(gradient)
  const payload = sha256(bytes)
  return {
    assignment: assignment.id,
    base: assignment.base,
    steps: assignment.steps,
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
