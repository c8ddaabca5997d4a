// Everything a peer keeps on disk, opened together and closed together.
import { mkdir, readFile, rename, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type PeerId, peerId } from '../core/ids.js'
import type { UserError } from '../core/user-error.js'
import { writeFileAtomically } from '../store/atomic.js'
import { EventLog } from '../store/event-log.js'
import { journalOf } from '../store/journal-format.js'
import { PayloadStore } from '../store/payloads.js'
import { lockPeer, type PeerLock } from '../store/peer-lock.js'
import { type HeldLog, ReplicaLog } from '../store/replica-log.js'
import { type PeerPaths, peerPaths, type ReplicaPaths, type RunPaths, runPaths } from '../store/run-paths.js'
import { errorCode, storeError } from '../store/store-error.js'
import {
  loadWorkerRecord,
  saveWorkerRecord,
  settleContribution,
  type WorkerRecord,
} from '../store/worker-record.js'
import { DurableLog, entryCodec } from './durable-log.js'
import type { WorkerRecords } from './rounds.js'

/** What a replica keeps, opened. */
export interface ReplicaDisk {
  readonly log: DurableLog
  readonly held: HeldLog
  /** The log was never written to, or was lost. */
  readonly isEmpty: boolean
  readonly payloads: PayloadStore
}

/** A journal without a record. */
const emptyJournalBytes = journalOf([]).reduce((sum, { length }) => sum + length, 0)

export class PeerDisk {
  readonly run: RunPaths
  readonly paths: PeerPaths
  #isNew = false
  #lock: PeerLock | null = null
  #logs: DurableLog[] = []
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
    this.#isNew = !(await exists(this.paths.root))
    this.#lock = await lockPeer(this.paths.lock, this.peer)
  }

  async events(onFailure: (error: UserError) => void): Promise<EventLog> {
    this.#events = await EventLog.open(this.run.events, onFailure)
    return this.#events
  }

  /**
   * What a replica keeps; any peer may become one.
   *
   * @param self whose log it is or will be
   * @param paths where; in the peer's folder itself unless given
   * @throws StoreError that names the place of damage
   */
  async replica(
    self: PeerId,
    warn: (message: string) => void,
    paths: ReplicaPaths = this.paths,
  ): Promise<ReplicaDisk> {
    const { journal, replica, payloads } = paths
    await mkdir(dirname(journal), { recursive: true })
    const { log, held, torn } = await ReplicaLog.open(journal, entryCodec)
    if (torn !== null)
      warn(`The log's last record (${torn.bytes} bytes) was cut short by a crash; it is dropped.`)
    const isEmpty = (await stat(journal)).size <= emptyJournalBytes
    const mark = () => writeFileAtomically(replica, [new TextEncoder().encode(`${self}\n`)])
    const durable = new DurableLog(log, held, mark)
    this.#logs.push(durable)
    return { log: durable, held, isEmpty, payloads: await PayloadStore.open(payloads, warn) }
  }

  /** Whose log this folder holds, or held until it was lost; null where there never was one. */
  async owner({ replica }: ReplicaPaths = this.paths): Promise<PeerId | null> {
    try {
      return peerId((await readFile(replica, 'utf8')).trim())
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return null
      throw storeError('read', replica, error)
    }
  }

  workerRecord(): Promise<WorkerRecord | null> {
    return loadWorkerRecord(this.paths.worker)
  }

  /** Where the worker's rounds become durable. */
  readonly workerRecords: WorkerRecords = {
    save: (round) => saveWorkerRecord(this.paths.worker, round),
    settle: (assignment, outcome) => settleContribution(this.paths.worker, assignment, outcome),
  }

  /** A worker that begins anew has nothing to send again. */
  async forgetRounds(): Promise<void> {
    await rm(this.paths.worker, { recursive: true, force: true })
  }

  /**
   * Moves all that belongs to one identity out of the way, for the peer to begin as another.
   *
   * @returns the folder where it lies now; null where there was nothing
   */
  async setAside(): Promise<string | null> {
    await this.#closeLogs()
    const { key, membership, replica, journal, payloads, snapshots, worker } = this.paths
    const above = dirname(this.paths.above.journal)
    let folder: string | null = null
    for (const path of [journal, key, membership, payloads, snapshots, worker, above, replica]) {
      if (!(await exists(path))) continue
      folder ??= await this.#newFolder()
      await rename(path, join(folder, path.slice(dirname(path).length + 1)))
    }
    return folder
  }

  /** Takes back what a peer began to write for a run that never came to be; other files stay. */
  async discard(): Promise<void> {
    await this.close()
    if (!this.#isNew) return
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
    await this.#closeLogs()
    await this.#events?.close()
    await this.#lock?.release()
    this.#events = null
    this.#lock = null
  }

  async #closeLogs(): Promise<void> {
    for (const log of this.#logs.splice(0)) await log.close()
  }

  async #newFolder(): Promise<string> {
    for (let number = 1; ; number++) {
      const folder = join(this.paths.root, `aside-${number}`)
      try {
        await mkdir(folder)
        return folder
      } catch (error) {
        if (errorCode(error) !== 'EEXIST') throw storeError('create', folder, error)
      }
    }
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    throw storeError('read', path, error)
  }
}
