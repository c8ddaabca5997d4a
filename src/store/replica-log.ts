// What a replica must never forget, in one journal: its term, vote and epoch, the ledger's entries after its
// snapshot, and where they begin. Later records override earlier ones.
import type { Entry } from '../core/entries.js'
import type { HardState } from '../core/events.js'
import type { Index } from '../core/ids.js'
import type { LogPoint } from '../core/messages.js'
import { Journal, journalDamaged, type TornTail } from './journal.js'
import { frameOffset } from './journal-format.js'
import { type Part, partsOf, recordOf } from './replica-records.js'

/** A ledger entry as bytes. `decode` throws on bytes that are none. */
export interface EntryCodec {
  encode(entry: Entry): Uint8Array
  decode(bytes: Uint8Array): Entry
}

export interface HeldLog {
  readonly hard: HardState
  /** The last entry that a snapshot covers; index and term are 0 where there is none. */
  readonly base: LogPoint
  /** Those after `base`, in order, without gaps. */
  readonly entries: readonly Entry[]
}

export interface OpenedReplicaLog {
  readonly log: ReplicaLog
  readonly held: HeldLog
  /** A write that a crash cut short, so never acknowledged; it is dropped. */
  readonly torn: TornTail | null
}

export class ReplicaLog {
  private constructor(
    private readonly journal: Journal,
    private readonly codec: EntryCodec,
    /** What the file holds once all that is queued is durable. */
    private readonly contents: Contents,
  ) {}

  /**
   * Opens or creates a log and reads it.
   *
   * @throws StoreError if it cannot be opened, an earlier version of this program wrote it, or it is damaged: the
   *   message gives the byte offset
   */
  static async open(path: string, codec: EntryCodec): Promise<OpenedReplicaLog> {
    const { journal, records, torn } = await Journal.open(path)
    try {
      const contents = replay(path, records, codec)
      return { log: new ReplicaLog(journal, codec, contents), held: contents.held(), torn }
    } catch (error) {
      await journal.close()
      throw error
    }
  }

  /**
   * Durable, all of it or nothing, when it resolves; calls made while the disk is busy share one fsync. An entry
   * whose index is held already replaces that one and all after it. `hard` null: unchanged.
   *
   * @throws StoreError; the log then takes nothing more until it is opened again
   * @throws Error if an entry does not follow what is held
   */
  async persist(hard: HardState | null, entries: readonly Entry[]): Promise<void> {
    if (hard === null && entries.length === 0) return
    const kept = entries.map((entry) => ({ entry, bytes: this.codec.encode(entry) }))
    this.contents.put(kept)
    if (hard !== null) this.contents.hard = hard
    const parts: Part[] = kept.map(({ bytes }) => ({ kind: 'entry', bytes }))
    await this.journal.append([recordOf(hard === null ? parts : [{ kind: 'hard', hard }, ...parts])])
  }

  /**
   * Drops the entries up to `base`, which a durable snapshot covers; all of them where the log has no such entry, as
   * after a snapshot of another replica. In order with the calls of `persist`.
   *
   * @throws StoreError; the log then takes nothing more until it is opened again
   * @throws Error if the log begins later already
   */
  async compact(base: LogPoint): Promise<void> {
    this.contents.beginAfter(base)
    await this.journal.rewrite(this.contents.records())
  }

  /**
   * Drops all entries, whatever they are: another history takes their place. Term, vote and epoch stay. In order with
   * the calls of `persist`.
   *
   * @throws StoreError; the log then takes nothing more until it is opened again
   */
  async beginAnew(base: LogPoint): Promise<void> {
    this.contents.beginAnew(base)
    await this.journal.rewrite(this.contents.records())
  }

  /** Resolves once everything queued is done and the file closed. */
  close(): Promise<void> {
    return this.journal.close()
  }
}

interface KeptEntry {
  readonly entry: Entry
  readonly bytes: Uint8Array
}

/** A log in memory. */
class Contents {
  hard: HardState = { term: 0, vote: null, epoch: 0 }
  private base: LogPoint = { index: 0, term: 0 }
  private entries: KeptEntry[] = []

  held(): HeldLog {
    return { hard: this.hard, base: this.base, entries: this.entries.map(({ entry }) => entry) }
  }

  /** The records of a file that holds just this. */
  records(): Uint8Array[] {
    const start = recordOf([
      { kind: 'hard', hard: this.hard },
      { kind: 'base', base: this.base },
    ])
    return [start, ...this.entries.map(({ bytes }) => recordOf([{ kind: 'entry', bytes }]))]
  }

  /** @throws Error, with nothing changed, if one of them does not follow */
  put(entries: readonly KeptEntry[]): void {
    this.checkOrder(entries)
    for (const kept of entries) {
      this.entries.length = kept.entry.index - this.base.index - 1
      this.entries.push(kept)
    }
  }

  private checkOrder(entries: readonly KeptEntry[]): void {
    const { index: base } = this.base
    let last: Index = base + this.entries.length
    for (const { entry } of entries) {
      if (entry.index <= base)
        throw new Error(`entry ${entry.index} lies before the first of the log, ${base + 1}`)
      if (entry.index > last + 1) throw new Error(`entry ${entry.index} does not follow entry ${last}`)
      last = entry.index
    }
  }

  beginAnew(base: LogPoint): void {
    this.entries = []
    this.base = base
  }

  /** @throws Error, with nothing changed, if the log begins later already */
  beginAfter(base: LogPoint): void {
    const covered = base.index - this.base.index
    if (covered < 0)
      throw new Error(`the log begins at entry ${this.base.index + 1}: it cannot begin at ${base.index + 1}`)
    const term = covered === 0 ? this.base.term : this.entries[covered - 1]?.entry.term
    // Entries after another one than the snapshot's last belong to another history.
    this.entries = term === base.term ? this.entries.slice(covered) : []
    this.base = base
  }
}

function replay(path: string, records: readonly Uint8Array[], codec: EntryCodec): Contents {
  const contents = new Contents()
  for (const [number, record] of records.entries()) {
    try {
      for (const part of partsOf(record)) take(contents, part, codec)
    } catch (error) {
      throw journalDamaged(path, frameOffset(records, number), (error as Error).message)
    }
  }
  return contents
}

function take(contents: Contents, part: Part, codec: EntryCodec): void {
  switch (part.kind) {
    case 'hard':
      contents.hard = part.hard
      break
    case 'entry':
      contents.put([{ entry: codec.decode(part.bytes), bytes: part.bytes }])
      break
    case 'base':
      contents.beginAfter(part.base)
      break
    default:
      part satisfies never
  }
}
