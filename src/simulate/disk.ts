// A virtual disk: writes become durable in order, some time after they were begun. A crash loses those that were
// not, except for a few of the oldest that had reached the disk unheard; a record cut short is dropped when read.
import type { Entry } from '../core/entries.js'
import type { HardState } from '../core/events.js'
import type { AssignmentId, Hash } from '../core/ids.js'
import { compacted, type Log, termAt, withEntries } from '../core/log.js'
import type { LogPoint, Manifest } from '../core/messages.js'
import type { Snapshot } from '../outer/snapshot.js'
import type { Residual } from '../tensor/error-feedback.js'
import type { Standing } from '../tensor/mixing.js'
import type { VirtualClock } from './clock.js'

/** A finished contribution, as a worker keeps it until its verdict. */
export interface Record {
  readonly manifest: Manifest
  /** As its payload decodes. */
  readonly gradient: Float32Array
  readonly residual: Residual | null
  /** After the round, of a run that mixes. */
  readonly standing?: Standing
}

/** Snapshots kept: the newest, and the one before that stands in if it is damaged. */
const snapshotsKept = 2
/** A flush takes this long, on a good day. */
const flushMs = 2

/** What survives: everything that was durable. */
interface Content {
  hard: HardState
  log: Log
  readonly payloads: Map<Hash, Float32Array>
  /** Oldest first. */
  snapshots: readonly Snapshot[]
  readonly records: Map<AssignmentId, Record>
  /** What coding has lost until now; null if nothing. */
  residual: Float32Array | null
  /** After the latest round, of a run that mixes. */
  standing: Standing | null
}

interface Write {
  readonly run: () => void
  readonly done: () => void
  cancel: () => void
}

export class VirtualDisk {
  #content: Content = emptyContent()
  #pending: Write[] = []
  /** Payloads whose writes are under way. */
  #arriving: Hash[] = []
  #freeAt = 0
  /** A flush takes so many times longer than on a good day. */
  slowness = 1

  constructor(
    private readonly clock: VirtualClock,
    /** In [0, 1); each call is a new draw. */
    private readonly roll: () => number,
  ) {}

  get hard(): HardState {
    return this.#content.hard
  }
  get log(): Log {
    return this.#content.log
  }
  get payloads(): ReadonlyMap<Hash, Float32Array> {
    return this.#content.payloads
  }
  get snapshots(): readonly Snapshot[] {
    return this.#content.snapshots
  }
  get records(): ReadonlyMap<AssignmentId, Record> {
    return this.#content.records
  }
  get residual(): Float32Array | null {
    return this.#content.residual
  }

  get standing(): Standing | null {
    return this.#content.standing
  }

  /** Hard state and entries, as one record: all of it or nothing is there after a crash. */
  persist(hard: HardState | null, entries: readonly Entry[], done: () => void): void {
    this.#write(done, (content) => {
      if (hard !== null) content.hard = hard
      content.log = withEntries(content.log, entries)
    })
  }

  /** Forgets the log up to `base`; all of it where it has another entry there. */
  compact(base: LogPoint): void {
    this.#write(
      () => {},
      (content) => {
        const { log } = content
        if (base.index <= log.base.index) return
        content.log = termAt(log, base.index) === base.term ? compacted(log, base) : { base, log: [] }
      },
    )
  }

  /** The log and all snapshots go; what was voted stays. */
  forgetReplica(): void {
    this.#write(
      () => {},
      (content) => {
        content.log = { base: { index: 0, term: 0 }, log: [] }
        content.snapshots = []
      },
    )
  }

  putPayload(payload: Hash, gradient: Float32Array, done: () => void): void {
    this.#arriving.push(payload)
    const arrived = () => {
      this.#arriving.splice(this.#arriving.indexOf(payload), 1)
      done()
    }
    this.#write(arrived, ({ payloads }) => payloads.set(payload, gradient))
  }

  /** What is being written just now came again: it stays. */
  dropPayloads(dropped: readonly Hash[]): void {
    const unwanted = dropped.filter((payload) => !this.#arriving.includes(payload))
    this.#write(
      () => {},
      ({ payloads }) => {
        for (const payload of unwanted) payloads.delete(payload)
      },
    )
  }

  saveSnapshot(snapshot: Snapshot, done: () => void): void {
    this.#write(done, (content) => {
      content.snapshots = [...content.snapshots, snapshot].slice(-snapshotsKept)
    })
  }

  saveRecord(record: Record, done: () => void): void {
    this.#write(done, (content) => {
      content.records.set(record.manifest.assignment, record)
      content.residual = record.residual?.after ?? null
      content.standing = record.standing ?? null
    })
  }

  /** The worker begins anew on another machine, which has these contributions and nothing else. */
  beginWith(records: readonly Record[]): void {
    this.wipe()
    for (const record of records) this.#content.records.set(record.manifest.assignment, record)
  }

  /** @param residual what is lost without the round, if it came to nothing */
  settleRecord(assignment: AssignmentId, residual: Float32Array | null): void {
    this.#write(
      () => {},
      (content) => {
        content.records.delete(assignment)
        content.residual = residual
      },
    )
  }

  /** The process dies: what was not durable is lost, but for some of the oldest writes. */
  crash(): void {
    const reached = Math.floor(this.roll() * (this.#pending.length + 1))
    for (const [i, write] of this.#pending.entries()) {
      write.cancel()
      if (i < reached) write.run()
    }
    this.#pending = []
    this.#arriving = []
    this.#freeAt = 0
  }

  /** Whether the newest snapshot is not the only one from which the log goes on. */
  get hasStandIn(): boolean {
    const { snapshots, log } = this.#content
    const before = snapshots.at(-2)?.ledger
    return before !== undefined && termAt(log, before.index) === before.term
  }

  /** The newest snapshot cannot be read: the one before it has to do. */
  damageNewestSnapshot(): void {
    const { snapshots } = this.#content
    if (snapshots.length > 1) this.#content.snapshots = snapshots.slice(0, -1)
  }

  wipe(): void {
    this.crash()
    this.#content = emptyContent()
  }

  #write(done: () => void, change: (content: Content) => void): void {
    const { now } = this.clock
    this.#freeAt = Math.max(this.#freeAt, now) + flushMs * this.slowness
    const write: Write = { run: () => change(this.#content), done, cancel: () => {} }
    write.cancel = this.clock.after(this.#freeAt - now, () => {
      this.#pending.shift()
      write.run()
      done()
    })
    this.#pending.push(write)
  }
}

const emptyContent = (): Content => ({
  hard: { term: 0, vote: null, epoch: 0 },
  log: { base: { index: 0, term: 0 }, log: [] },
  payloads: new Map(),
  snapshots: [],
  records: new Map(),
  residual: null,
  standing: null,
})
