// What a replica's disk amounts to after a restart: the newest snapshot, and the log's entries, which count when a
// leader says that they are committed.
import { payloadsOf } from '../core/entries.js'
import { emptyLedger } from '../core/ledger.js'
import { termAt } from '../core/log.js'
import type { LogPoint } from '../core/messages.js'
import type { HeldState } from '../core/state.js'
import { UserError } from '../core/user-error.js'
import type { loadSnapshot } from '../store/snapshot.js'
import type { OuterStates } from './outer-states.js'
import type { ReplicaDisk } from './peer-disk.js'

export type LoadedSnapshot = NonNullable<Awaited<ReturnType<typeof loadSnapshot>>>

/** Takes up what the disk kept. @throws UserError if the snapshot is not the one that it says */
export async function restoreReplica(
  { log, held, payloads }: ReplicaDisk,
  { snapshot, damaged }: LoadedSnapshot,
  states: OuterStates,
  warn: (message: string) => void,
): Promise<HeldState> {
  for (const what of damaged) warn(`A damaged snapshot was passed over: ${what}`)
  const { ledger, digest, stateDigest } = snapshot
  try {
    await states.install(snapshot)
  } catch (error) {
    throw new UserError(
      'storage',
      `the saved run cannot be continued: the snapshot of version ${ledger.version} is not sound (${(error as Error).message})`,
      "remove this peer's folder to let it join the run afresh; if nobody else holds the run, start a new one from its latest checkpoint (run.warmStart)",
      { cause: error },
    )
  }
  const point: LogPoint = { index: ledger.index, term: ledger.term }
  const reached = termAt({ base: held.base, log: held.entries }, point.index) === point.term
  // The process ended between a snapshot and the log that follows it: what the log has, the snapshot covers.
  if (!reached) await log.compact(point)
  const base = reached ? held.base : point
  const entries = reached ? held.entries : []
  const report = ledger.parent?.report ?? null
  const named = new Set([...entries.flatMap(payloadsOf), ...(report === null ? [] : [report.payload])])
  const onDisk = await payloads.list()
  for (const hash of onDisk) if (!named.has(hash)) await payloads.delete(hash)
  return {
    hard: held.hard,
    ledger,
    digest,
    stateDigest,
    base,
    log: entries,
    payloads: onDisk.filter((hash) => named.has(hash)),
  }
}

/** The state of a run before its first entry; its founder alone votes. */
export async function beginReplica(
  states: OuterStates,
  theta: Float32Array,
  shardSizes: readonly number[],
  founder: Parameters<typeof emptyLedger>[1],
): Promise<HeldState> {
  const ledger = emptyLedger(shardSizes, founder)
  const { digest, stateDigest } = await states.found(theta, ledger)
  const hard = { term: 0, vote: null, epoch: 0 }
  return { hard, ledger, digest, stateDigest, base: { index: 0, term: 0 }, log: [], payloads: [] }
}
