// The file of a run's records, read again as a whole, and added to by those who watch over its peers.
import { createReadStream, existsSync } from 'node:fs'
import { appendFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import type { FaultRecord, RecoveredRecord, RunRecord } from './records.js'

/** All records, none where nothing was written; a line that a crash cut short is none. @throws Error if the file cannot be read */
export async function readRecords(path: string): Promise<RunRecord[]> {
  const records: RunRecord[] = []
  if (!existsSync(path)) return records
  for await (const line of createInterface({ input: createReadStream(path) })) {
    try {
      records.push(JSON.parse(line) as RunRecord)
    } catch {
      // Cut short by a crash.
    }
  }
  return records
}

/** One write of one line: it stands whole at the end, whoever else writes. */
export async function addRecord(path: string, record: FaultRecord | RecoveredRecord): Promise<void> {
  await appendFile(path, `${JSON.stringify(record)}\n`)
}
