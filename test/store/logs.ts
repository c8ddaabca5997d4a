// Replica logs of short entries, for the tests of what they hold.
import type { Entry } from '../../src/core/entries.js'
import type { HardState } from '../../src/core/events.js'
import { peerId } from '../../src/core/ids.js'
import {
  type EntryCodec,
  type HeldLog,
  type OpenedReplicaLog,
  ReplicaLog,
} from '../../src/store/replica-log.js'
import { withHandleMethod } from './folders.js'

export const entry = (index: number, term: number): Entry => {
  return { kind: 'finish', reason: '', ok: true, index, term }
}
export const hard = (term: number, vote: string | null = 'ada'): HardState => {
  return { term, vote: vote === null ? null : peerId(vote), epoch: 0 }
}
export const nothing: HeldLog = { hard: hard(0, null), base: { index: 0, term: 0 }, entries: [] }

/** Index and term alone: the rest of `entry` is always the same. */
export const codec: EntryCodec = {
  encode: ({ index, term }) => new TextEncoder().encode(`${index} ${term}`),
  decode: (bytes) => {
    const [, index, term] = /^(\d+) (\d+)$/.exec(new TextDecoder().decode(bytes)) ?? []
    if (index === undefined) throw new Error('this is no entry')
    return entry(Number(index), Number(term))
  },
}

export const open = (path: string): Promise<OpenedReplicaLog> => ReplicaLog.open(path, codec)

/** What a log at `path` holds, opened anew. */
export async function reopened(path: string): Promise<HeldLog> {
  const { log, held } = await open(path)
  await log.close()
  return held
}

/** Disks that make durable what they have at once: crashes are made by cutting files. */
export const withQuickDisk = (use: () => Promise<void>): Promise<void> =>
  withHandleMethod(
    'datasync',
    () => async () => {},
    () => withHandleMethod('sync', () => async () => {}, use),
  )
