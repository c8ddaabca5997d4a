// A replica's log as the core writes it: in order, with the mark that there is a log made durable before its first
// record.
import { readFile, rm } from 'node:fs/promises'
import type { Entry } from '../core/entries.js'
import type { HardState } from '../core/events.js'
import type { LogPoint } from '../core/messages.js'
import { writeFileAtomically } from '../store/atomic.js'
import { type EntryCodec, type HeldLog, ReplicaLog } from '../store/replica-log.js'
import { CONTROL_CAP_BYTES, decode, encode } from '../wire/codec.js'
import { entrySchema } from '../wire/entries.js'

export const entryCodec: EntryCodec = {
  encode: (entry) => encode(entry),
  decode: (bytes) => decode(bytes, entrySchema, CONTROL_CAP_BYTES),
}

export class DurableLog {
  #log: Promise<ReplicaLog>
  #hard: HardState
  #base: LogPoint
  #marked: Promise<void> | null = null
  /** All that was asked for so far is durable. */
  #durable: Promise<void> = Promise.resolve()

  /**
   * @param held what is in it already
   * @param mark makes it durable that there is a log
   */
  constructor(
    private readonly path: string,
    log: ReplicaLog,
    { hard, base }: HeldLog,
    private readonly mark: () => Promise<void>,
  ) {
    this.#log = Promise.resolve(log)
    this.#hard = hard
    this.#base = base
  }

  /** Resolves once this, and all that was asked for before it, is durable. @throws StoreError */
  persist(hard: HardState | null, entries: readonly Entry[]): Promise<void> {
    if (hard !== null) this.#hard = hard
    return this.#inOrder((log) => log.persist(hard, entries))
  }

  /**
   * Forgets the entries up to `base`, which a durable snapshot covers; all of them where the log has another entry
   * there, or none, or begins later.
   *
   * @throws StoreError
   */
  compact(base: LogPoint): Promise<void> {
    if (base.index < this.#base.index) return this.beginAnew(base)
    this.#base = base
    return this.#inOrder((log) => log.compact(base))
  }

  /**
   * Forgets all entries: of what was there, term, vote and epoch stay.
   *
   * @param ready what must be done before
   * @throws StoreError
   */
  beginAnew(base: LogPoint, ready: Promise<void> = Promise.resolve()): Promise<void> {
    const hard = this.#hard
    const before = this.#log
    const earlier = Promise.all([this.#durable, ready])
    this.#base = base
    this.#log = earlier.then(async () => this.#replaced(await before, hard, base))
    return this.#inOrder(() => Promise.resolve())
  }

  /** Resolves once everything asked for is done and the file closed. */
  async close(): Promise<void> {
    await this.#durable.catch(() => {})
    const log = await this.#log.catch(() => null)
    await log?.close()
  }

  /** Calls made in one order reach the log in the same: what is asked for while the disk is busy shares one flush. */
  #inOrder(work: (log: ReplicaLog) => Promise<void>): Promise<void> {
    const current = this.#log
    const done = this.#marking()
      .then(() => current)
      .then(work)
    this.#durable = Promise.all([this.#durable, done]).then(() => {})
    return this.#durable
  }

  #marking(): Promise<void> {
    this.#marked ??= this.mark()
    return this.#marked
  }

  /** Written aside first: a crash leaves the old log or the new one. */
  async #replaced(old: ReplicaLog, hard: HardState, base: LogPoint): Promise<ReplicaLog> {
    const aside = `${this.path}.new`
    await rm(aside, { force: true })
    const { log: fresh } = await ReplicaLog.open(aside, entryCodec)
    await fresh.persist(hard, [])
    await fresh.compact(base)
    await fresh.close()
    await old.close()
    await writeFileAtomically(this.path, [await readFile(aside)])
    await rm(aside, { force: true })
    return (await ReplicaLog.open(this.path, entryCodec)).log
  }
}
