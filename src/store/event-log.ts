// events.jsonl: one JSON object per line, appended by several processes. Training goes on when it cannot be written.
import { type FileHandle, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { EventRecord } from '../core/reports.js'
import { type StoreError, storeError } from './store-error.js'
import { ensureFolder } from './versioned-files.js'

/** Lines kept in memory while the disk is slow; more are dropped: a log must not use up the memory. */
const maxWaitingLines = 10_000
const newline = 0x0a

export class EventLog {
  private waiting: Uint8Array[] = []
  private writing: Promise<void> | null = null
  /** A failed write may have left a line unfinished: the next one then starts on a line of its own. */
  private midLine = false
  private failed = false

  private constructor(
    private readonly path: string,
    private readonly handle: FileHandle,
    private readonly onFailure: (error: StoreError) => void,
  ) {}

  /**
   * @param onFailure called once, at the first record that could not be written
   * @throws StoreError if the file cannot be opened
   */
  static async open(path: string, onFailure: (error: StoreError) => void): Promise<EventLog> {
    await ensureFolder(dirname(path))
    try {
      return new EventLog(path, await open(path, 'a'), onFailure)
    } catch (error) {
      throw storeError('open', path, error)
    }
  }

  /** Queues a record; it never throws and never waits. */
  write(record: EventRecord): void {
    if (this.waiting.length >= maxWaitingLines) {
      this.fail(new Error(`${maxWaitingLines} records wait for the disk`))
      return
    }
    this.waiting.push(new TextEncoder().encode(`${JSON.stringify(record)}\n`))
    this.writing ??= this.drain()
  }

  /** Resolves once all records queued so far are with the operating system, or failed. */
  async flush(): Promise<void> {
    await this.writing
  }

  /** Writes what is queued, makes it durable, closes the file. Never rejects. */
  async close(): Promise<void> {
    await this.flush()
    try {
      await this.handle.sync()
    } catch (error) {
      this.fail(error)
    } finally {
      await this.handle.close()
    }
  }

  private async drain(): Promise<void> {
    while (this.waiting.length > 0) {
      const lines = this.waiting
      this.waiting = []
      for (const line of lines) await this.append(line)
    }
    this.writing = null
  }

  /** One write per line: with O_APPEND the system puts it whole at the end, whoever else writes. */
  private async append(line: Uint8Array): Promise<void> {
    const bytes = this.midLine ? Buffer.concat([Uint8Array.of(newline), line]) : line
    try {
      const { bytesWritten } = await this.handle.write(bytes)
      if (bytesWritten > 0) this.midLine = bytesWritten < bytes.length
      if (bytesWritten < bytes.length) throw new Error('a record was written in part only')
    } catch (error) {
      this.fail(error)
    }
  }

  private fail(error: unknown): void {
    if (this.failed) return
    this.failed = true
    this.onFailure(storeError('write events to', this.path, error))
  }
}
