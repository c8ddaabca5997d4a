// The journal of the ledger: records appended and fsynced. Appends that come while the disk is busy share one fsync
// (group commit).
import { type FileHandle, open, readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { sweepTemporary, writeAll, writeFileAtomically } from './atomic.js'
import { frame, journalOf, readFrames } from './journal-format.js'
import { errorCode, StoreError, storeError } from './store-error.js'
import { ensureFolder } from './versioned-files.js'

/** What was dropped from the end of a journal: a write that a crash cut short, so never acknowledged. */
export interface TornTail {
  readonly offset: number
  readonly bytes: number
}

export interface OpenedJournal {
  readonly journal: Journal
  readonly records: readonly Uint8Array[]
  readonly torn: TornTail | null
}

/** A frame's length has 32 bits; a record of this program is far smaller. */
const maxRecordBytes = 2 ** 31

interface Job {
  readonly kind: 'append' | 'rewrite'
  readonly records: readonly Uint8Array[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class Journal {
  private readonly jobs: Job[] = []
  private working: Promise<void> | null = null
  /** Set once the file's state is unknown: nothing is promised from then on. */
  private broken: StoreError | null = null
  private closed = false

  private constructor(
    private readonly path: string,
    private handle: FileHandle,
    /** All before this is durable. */
    private durableBytes: number,
  ) {}

  /**
   * Opens or creates a journal and reads all its records. A record that a crash cut short is dropped and reported.
   *
   * @throws StoreError if it cannot be opened, or is damaged elsewhere: the message gives the byte offset
   */
  static async open(path: string): Promise<OpenedJournal> {
    await ensureFolder(dirname(path))
    await sweepTemporary(dirname(path))
    const bytes = await readOrCreate(path)
    const { records, wholeBytes, end } = readFrames(bytes)
    if (end.kind === 'corrupt') throw corrupt(path, end.offset, end.what)
    if (end.kind === 'clean') {
      return { journal: new Journal(path, await openForWriting(path), wholeBytes), records, torn: null }
    }
    if (wholeBytes === 0) await writeFileAtomically(path, journalOf([]))
    const handle = await openForWriting(path)
    const journal = new Journal(path, handle, wholeBytes || (await handle.stat()).size)
    await journal.cutBack()
    return { journal, records, torn: { offset: wholeBytes, bytes: bytes.length - wholeBytes } }
  }

  /** Resolves once all records are durable, in order. @throws StoreError; then none of them is in the journal */
  append(records: readonly Uint8Array[]): Promise<void> {
    const tooLong = records.find((record) => record.length >= maxRecordBytes)
    if (tooLong !== undefined) throw new RangeError(`a journal record has ${tooLong.length} bytes`)
    return this.queue('append', records)
  }

  /** Replaces all records atomically (compaction). @throws StoreError; then the journal is as it was */
  rewrite(records: readonly Uint8Array[]): Promise<void> {
    return this.queue('rewrite', records)
  }

  /** Resolves once everything queued is done and the file closed. */
  async close(): Promise<void> {
    this.closed = true
    await this.working
    await this.handle.close()
  }

  private queue(kind: Job['kind'], records: readonly Uint8Array[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.closed) throw new Error(`the journal ${this.path} is closed`)
      this.jobs.push({ kind, records, resolve, reject })
      this.working ??= this.work()
    })
  }

  private async work(): Promise<void> {
    while (this.jobs.length > 0) {
      const batch = this.nextBatch()
      try {
        if (this.broken !== null) throw this.broken
        if (batch[0].kind === 'rewrite') await this.replace(batch[0].records)
        else await this.write(batch.flatMap(({ records }) => records))
        for (const { resolve } of batch) resolve()
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.working = null
  }

  /** One rewrite, or all appends before the next rewrite. */
  private nextBatch(): Job[] {
    const rewrite = this.jobs.findIndex(({ kind }) => kind === 'rewrite')
    const count = rewrite < 0 ? this.jobs.length : Math.max(rewrite, 1)
    return this.jobs.splice(0, count)
  }

  private async write(records: readonly Uint8Array[]): Promise<void> {
    const bytes = Buffer.concat(records.flatMap(frame))
    try {
      await writeAll(this.handle, bytes, this.durableBytes)
    } catch (error) {
      await this.cutBack()
      throw storeError('write', this.path, error)
    }
    try {
      await this.handle.datasync()
    } catch (error) {
      // After a failed fsync the system may have dropped the data and forgotten the failure: no second try.
      this.broken = storeError('write', this.path, error)
      throw this.broken
    }
    this.durableBytes += bytes.length
  }

  /** Removes what follows the last durable record. */
  private async cutBack(): Promise<void> {
    try {
      await this.handle.truncate(this.durableBytes)
      await this.handle.datasync()
    } catch (error) {
      this.broken = storeError('write', this.path, error)
      throw this.broken
    }
  }

  private async replace(records: readonly Uint8Array[]): Promise<void> {
    try {
      await writeFileAtomically(this.path, journalOf(records))
    } catch (error) {
      // Renamed, but not known to be durable: what is appended to the old file would be lost.
      if (!(await this.isInPlace())) this.broken = storeError('write', this.path, error)
      throw error
    }
    try {
      const old = this.handle
      this.handle = await openForWriting(this.path)
      await old.close()
      this.durableBytes = (await this.handle.stat()).size
    } catch (error) {
      this.broken = storeError('write', this.path, error)
      throw this.broken
    }
  }

  /** Whether the open file is still the one of this name. */
  private async isInPlace(): Promise<boolean> {
    try {
      const [named, open] = await Promise.all([stat(this.path), this.handle.stat()])
      return named.ino === open.ino && named.dev === open.dev
    } catch {
      return false
    }
  }
}

async function readOrCreate(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw storeError('read', path, error)
  }
  const empty = journalOf([])
  await writeFileAtomically(path, empty)
  return Buffer.concat(empty)
}

async function openForWriting(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r+')
  } catch (error) {
    throw storeError('open', path, error)
  }
}

function corrupt(path: string, offset: number, what: string): StoreError {
  return new StoreError(
    path,
    `the journal ${path} is damaged at byte ${offset}: ${what}`,
    'check the disk and restore the file from a copy; without one, start a new run from the latest checkpoint (run.warmStart)',
  )
}
