// A replica's log: the ledger's entries after a base that snapshots cover, in order, without gaps.
import type { Entry } from './entries.js'
import type { Index, Term } from './ids.js'
import type { Configuration, LedgerState } from './ledger.js'
import type { LogPoint } from './messages.js'

export interface Log {
  /** Everything up to here is covered by snapshots. */
  readonly base: LogPoint
  readonly log: readonly Entry[]
}

export function lastPoint({ base, log }: Log): LogPoint {
  const last = log.at(-1)
  return last === undefined ? base : { index: last.index, term: last.term }
}

/** Term of the entry at `index`; null where the log has none, or has forgotten it. */
export function termAt({ base, log }: Log, index: Index): Term | null {
  if (index === base.index) return base.term
  return log[index - base.index - 1]?.term ?? null
}

export function entryAt({ base, log }: Log, index: Index): Entry | undefined {
  return log[index - base.index - 1]
}

/** Entries from `first` on, `most` of them, none if that is negative; `first` must not be before what the log still has. */
export function entriesFrom(
  { base, log }: Log,
  first: Index,
  most = Number.POSITIVE_INFINITY,
): readonly Entry[] {
  const start = first - base.index - 1
  return log.slice(start, start + Math.max(0, most))
}

/** The log with these entries in place of whatever it had from the first of them on. */
export function withEntries<L extends Log>(log: L, entries: readonly Entry[]): L {
  if (entries.length === 0) return log
  const kept = entries[0].index - log.base.index - 1
  const before = kept === log.log.length ? log.log : log.log.slice(0, kept)
  return { ...log, log: [...before, ...entries] }
}

/** Without the entries up to `base`; a base beyond the log leaves nothing. */
export function compacted<L extends Log>(log: L, base: LogPoint): L {
  if (base.index <= log.base.index) return log
  return { ...log, base, log: log.log.slice(base.index - log.base.index) }
}

/** Whether a log that ends at `a` has at least what one that ends at `b` has (Raft, section 5.4.1). */
export function atLeastAsComplete(a: LogPoint, b: LogPoint): boolean {
  return a.term > b.term || (a.term === b.term && a.index >= b.index)
}

/** Who votes: as the newest entry says, committed or not, or else the ledger. */
export function configurationOf({ log }: Log, { configuration }: LedgerState): Configuration {
  const entry = log.findLast((candidate) => candidate.kind === 'configure')
  if (entry?.kind !== 'configure' || entry.index <= configuration.index) return configuration
  const { voters, next, epoch, index } = entry
  return { voters, next, epoch, index }
}
