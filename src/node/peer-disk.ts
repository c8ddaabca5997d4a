// Everything a peer keeps on disk, opened together and closed together.
import { rm, rmdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Entry } from '../core/entries.js'
import type { UserError } from '../core/user-error.js'
import { EventLog } from '../store/event-log.js'
import { Journal } from '../store/journal.js'
import { PayloadStore } from '../store/payloads.js'
import { lockPeer, type PeerLock } from '../store/peer-lock.js'
import { type PeerPaths, peerPaths, type RunPaths, runPaths } from '../store/run-paths.js'
import {
  clearContribution,
  loadWorkerRecord,
  saveWorkerRecord,
  type WorkerRecord,
} from '../store/worker-record.js'
import { CONTROL_CAP_BYTES, decode, encode } from '../wire/codec.js'
import { entrySchema } from '../wire/schemas.js'
import type { WorkerRecords } from './rounds.js'

export interface OpenedLedger {
  readonly journal: Journal
  readonly payloads: PayloadStore
  readonly entries: readonly Entry[]
}

export class PeerDisk {
  readonly run: RunPaths
  readonly paths: PeerPaths
  #lock: PeerLock | null = null
  #journal: Journal | null = null
  #events: EventLog | null = null

  constructor(
    folder: string,
    private readonly peer: string,
  ) {
    this.run = runPaths(folder)
    this.paths = peerPaths(folder, peer)
  }

  /** Takes the peer's folder for this process. @throws UserError if another process has it */
  async lock(): Promise<void> {
    this.#lock = await lockPeer(this.paths.lock, this.peer)
  }

  async events(onFailure: (error: UserError) => void): Promise<EventLog> {
    this.#events = await EventLog.open(this.run.events, onFailure)
    return this.#events
  }

  /** A voter's ledger. @throws StoreError that names the place of damage */
  async ledger(warn: (message: string) => void): Promise<OpenedLedger> {
    const { journal, records, torn } = await Journal.open(this.paths.journal)
    this.#journal = journal
    if (torn !== null)
      warn(`The journal's last record (${torn.bytes} bytes) was cut short by a crash; it is dropped.`)
    const entries = records.map((bytes) => decode(bytes, entrySchema, CONTROL_CAP_BYTES))
    return { journal, payloads: await PayloadStore.open(this.paths.payloads), entries }
  }

  workerRecord(): Promise<WorkerRecord | null> {
    return loadWorkerRecord(this.paths.worker)
  }

  /** Where the worker's rounds become durable. */
  readonly workerRecords: WorkerRecords = {
    save: ({ manifest, payload, inner }) =>
      saveWorkerRecord(this.paths.worker, { contribution: { manifest, payload }, inner }),
    settle: ({ assignment }) => clearContribution(this.paths.worker, assignment),
  }

  /** Takes back what a peer began to write for a run that never came to be; other files stay. */
  async discard(): Promise<void> {
    await this.close()
    await rm(this.paths.root, { recursive: true, force: true })
    await rm(this.run.events, { force: true })
    for (const folder of [dirname(this.paths.root), this.run.root]) {
      try {
        await rmdir(folder)
      } catch {
        // Something else is in it.
        return
      }
    }
  }

  /** Flushes and closes; the lock is given back last. */
  async close(): Promise<void> {
    await this.#journal?.close()
    await this.#events?.close()
    await this.#lock?.release()
    this.#journal = null
    this.#events = null
    this.#lock = null
  }
}

export const entryBytes = (entry: Entry): Uint8Array => encode(entry)
