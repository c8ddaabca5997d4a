// A journal: records appended and fsynced. Appends that come while the disk is busy share one fsync (group commit).
import { type FileHandle, open, readFile } from 'node:fs/promises'
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
  /** The first failure: what is queued behind it may build on it, so that nothing is taken from then on. */
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
   * @throws StoreError if it cannot be opened, an earlier version of this program wrote it, or it is damaged
   *   elsewhere: the message gives the byte offset
   */
  static async open(path: string): Promise<OpenedJournal> {
    await ensureFolder(dirname(path))
    await sweepTemporary(dirname(path))
    const bytes = await readOrCreate(path)
    const { records, wholeBytes, end } = readFrames(bytes)
    if (end.kind === 'earlier') throw earlierVersion(path)
    if (end.kind === 'corrupt') throw journalDamaged(path, end.offset, end.what)
    if (end.kind === 'clean') {
      return { journal: new Journal(path, await openForWriting(path), wholeBytes), records, torn: null }
    }
    if (wholeBytes === 0) await writeFileAtomically(path, journalOf([]))
    const handle = await openForWriting(path)
    const journal = new Journal(path, handle, wholeBytes || (await handle.stat()).size)
    await journal.cutBack()
    return { journal, records, torn: { offset: wholeBytes, bytes: bytes.length - wholeBytes } }
  }

  /**
   * Resolves once all records are durable, in order.
   *
   * @throws StoreError; the journal then takes nothing more until it is opened again
   */
  append(records: readonly Uint8Array[]): Promise<void> {
    const tooLong = records.find((record) => record.length >= maxRecordBytes)
    if (tooLong !== undefined) throw new RangeError(`a journal record has ${tooLong.length} bytes`)
    return this.queue('append', records)
  }

  /**
   * Replaces all records atomically (compaction).
   *
   * @throws StoreError; the journal then takes nothing more until it is opened again
   */
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
      if (this.broken !== null) throw this.broken
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
        this.broken ??= storeError('write', this.path, error)
        for (const { reject } of batch) reject(this.broken)
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
      throw error
    }
    // Never tried twice: after a failure the system may have dropped the data and forgotten that it did.
    await this.handle.datasync()
    this.durableBytes += bytes.length
  }

  /** Removes what follows the last durable record. */
  private async cutBack(): Promise<void> {
    try {
      await this.handle.truncate(this.durableBytes)
      await this.handle.datasync()
    } catch (error) {
      throw storeError('write', this.path, error)
    }
  }

  private async replace(records: readonly Uint8Array[]): Promise<void> {
    // In one piece: thousands of small records would be as many writes.
    await writeFileAtomically(this.path, [Buffer.concat(journalOf(records))])
    const old = this.handle
    this.handle = await openForWriting(this.path)
    await old.close()
    this.durableBytes = (await this.handle.stat()).size
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

/** A journal in which something is wrong at a byte of its file. */
export function journalDamaged(path: string, offset: number, what: string): StoreError {
  return new StoreError(
    path,
    `the journal ${path} is damaged at byte ${offset}: ${what}`,
    'check the disk and restore the file from a copy; without one, start a new run from the latest checkpoint (run.warmStart)',
  )
}

function earlierVersion(path: string): StoreError {
  return new StoreError(
    path,
    `the journal ${path} was written by an earlier version of skein and cannot be continued`,
    'start a new run from the latest checkpoint (run.warmStart)',
  )
}
