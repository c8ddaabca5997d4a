// A replica's log as the core writes it: in order, with the mark that there is a log made durable before its first
// record.
import type { Entry } from '../core/entries.js'
import type { HardState } from '../core/events.js'
import type { LogPoint } from '../core/messages.js'
import type { EntryCodec, HeldLog, ReplicaLog } from '../store/replica-log.js'
import { CONTROL_CAP_BYTES, decode, encode } from '../wire/codec.js'
import { entrySchema } from '../wire/entries.js'

export const entryCodec: EntryCodec = {
  encode: (entry) => encode(entry),
  decode: (bytes) => decode(bytes, entrySchema, CONTROL_CAP_BYTES),
}

export class DurableLog {
  #base: LogPoint
  #marked: Promise<void> | null = null
  /** What must be done before anything more reaches the log. */
  #ready: Promise<void> = Promise.resolve()
  /** All that was asked for so far is durable. */
  #durable: Promise<void> = Promise.resolve()

  /**
   * @param held what is in it already
   * @param mark makes it durable that there is a log
   */
  constructor(
    private readonly log: ReplicaLog,
    { base }: HeldLog,
    private readonly mark: () => Promise<void>,
  ) {
    this.#base = base
  }

  /** Resolves once this, and all that was asked for before it, is durable. @throws StoreError */
  persist(hard: HardState | null, entries: readonly Entry[]): Promise<void> {
    return this.#inOrder(() => this.log.persist(hard, entries))
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
    return this.#inOrder(() => this.log.compact(base))
  }

  /**
   * Forgets all entries: of what was there, term, vote and epoch stay.
   *
   * @param ready what must be done before
   * @throws StoreError
   */
  beginAnew(base: LogPoint, ready: Promise<void> = Promise.resolve()): Promise<void> {
    this.#base = base
    this.#ready = Promise.all([this.#ready, ready]).then(() => {})
    return this.#inOrder(() => this.log.beginAnew(base))
  }

  /** Resolves once everything asked for is done and the file closed. */
  async close(): Promise<void> {
    await this.#durable.catch(() => {})
    await this.log.close()
  }

  /** Calls made in one order reach the log in the same: what is asked for while the disk is busy shares one flush. */
  #inOrder(work: () => Promise<void>): Promise<void> {
    this.#marked ??= this.mark()
    const ready = Promise.all([this.#marked, this.#ready])
    this.#durable = Promise.all([this.#durable, ready.then(work)]).then(() => {})
    return this.#durable
  }
}
