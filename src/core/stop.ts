// When a run is over: the first of the configured limits that is reached.
import type { StopConfig } from '../swarmfile/schema.js'
import type { LedgerState } from './ledger.js'
import { holdsLease, propose } from './proposals.js'
import type { Turn } from './state.js'

/** Ends the run if one of its limits is reached. */
export function stopIfDue(turn: Turn): void {
  const { lead, setup } = turn.state
  if (lead === null || !lead.ready || lead.head.finished !== null || !holdsLease(turn)) return
  const reason = stopReason(setup.stop, {
    ledger: lead.head,
    tokensPerStep: setup.tokensPerStep,
    loss: lead.head.validation.last?.loss ?? null,
    elapsedMs: turn.at - lead.startedAt,
  })
  if (reason !== null) propose(turn, { kind: 'finish', reason, ok: true })
}

export interface Progress {
  readonly ledger: LedgerState
  readonly tokensPerStep: number
  readonly loss: number | null
  readonly elapsedMs: number
}

/** The reason to stop, in words; null to go on. */
export function stopReason(
  stop: StopConfig,
  { ledger, tokensPerStep, loss, elapsedMs }: Progress,
): string | null {
  if (stop.versions !== undefined && ledger.version >= stop.versions)
    return `${ledger.version} versions applied`
  if (stop.steps !== undefined && ledger.steps >= stop.steps) return `${ledger.steps} local steps taken`
  const tokens = ledger.steps * tokensPerStep
  if (stop.tokens !== undefined && tokens >= stop.tokens) return `${tokens} tokens trained on`
  if (stop.loss !== undefined && loss !== null && loss <= stop.loss) {
    return `validation loss ${loss.toFixed(3)} reached ${stop.loss}`
  }
  if (stop.minutes !== undefined && elapsedMs >= stop.minutes * 60_000)
    return stop.minutes === 1 ? '1 minute is over' : `${stop.minutes} minutes are over`
  return null
}
