// The end of a run: the leader stops it, everyone brings in what is under way, gives account and ends.
import { farewellMs } from './deadlines.js'
import type { PeerId, Version } from './ids.js'
import { presentMembers } from './ledger.js'
import type { Farewell } from './messages.js'
import { propose } from './proposals.js'
import { entriesOf } from './records.js'
import {
  change,
  changeLead,
  changeReplica,
  emit,
  type Lead,
  type PeerState,
  type Replica,
  refuse,
  report,
  type Turn,
} from './state.js'
import { stopIfDue } from './stop.js'
import { isValidator, latestLoss, validateIfDue } from './validator.js'
import { stopWork } from './worker.js'

/** The run is over by a committed entry: no more rounds here. */
export function beginFinish(turn: Turn, { reason, ok }: { reason: string; ok: boolean }): void {
  if (turn.state.finishing !== null) return
  change(turn, { finishing: { reason, ok } })
  stopWork(turn)
  emit(turn, { type: 'set-timer', name: 'farewell', afterMs: farewellMs })
  validateIfDue(turn)
  concludeIfReady(turn)
}

/** Whatever this peer still owes the run (outer steps, the last validation), or was owed, may be in now. */
export function concludeIfReady(turn: Turn): void {
  const { state } = turn
  if (state.finishing === null || state.ended || !isSettled(turn)) return
  sayFarewell(turn)
  if (state.lead === null) return end(turn)
  const awaited = presentMembers(state.lead.head).filter(({ id }) => state.lead?.farewells[id] === undefined)
  // Its account is the last thing a validator sends: the final loss is in by then, or will not come.
  if (awaited.length === 0) conclude(turn)
}

/** The run may stop at this loss; the next validation, and the end, may have waited for it. */
export function afterValidation(turn: Turn): void {
  stopIfDue(turn)
  validateIfDue(turn)
  concludeIfReady(turn)
}

/** Members gone without a word are not waited for any longer. */
export function onFarewellTimeout(turn: Turn): void {
  if (turn.state.finishing === null || turn.state.ended) return
  sayFarewell(turn)
  if (turn.state.lead === null) return end(turn)
  report(turn, {
    type: 'warning',
    message: 'Not every peer gave its account in time; the summary is without them.',
  })
  conclude(turn)
}

export function onFarewell(turn: Turn, from: PeerId, farewell: Farewell): void {
  const { lead, finishing } = turn.state
  if (lead === null || finishing === null || lead.head.members[from] === undefined) return
  changeLead(turn, { farewells: { ...lead.farewells, [from]: farewell } })
  concludeIfReady(turn)
}

/** An outer step that comes out the same everywhere gives no version: nobody gets a round from it, and the run has failed. */
export function onVersionBroken(turn: Turn, version: Version, reason: string): void {
  const { replica, lead, setup } = turn.state
  if (replica === null || !replica.busy || version !== replica.applied + 1) return
  changeReplica(turn, { busy: false, broken: reason })
  refuse(turn, `version ${version}`, setup.self.name, reason)
  if (lead !== null && lead.head.finished === null) propose(turn, { kind: 'finish', reason, ok: false })
  concludeIfReady(turn)
}

function isSettled({ state }: Turn): boolean {
  const { replica, validation, installing } = state
  if (validation.running !== null || installing) return false
  if (replica === null || replica.broken !== null) return true
  if (replica.ledger.finished === null || replica.applied < replica.ledger.version) return false
  return (
    !isValidator(state) ||
    latestLoss(state)?.version === replica.applied ||
    validation.failed === replica.applied
  )
}

function sayFarewell(turn: Turn): void {
  if (turn.state.saidFarewell) return
  change(turn, { saidFarewell: true })
  if (turn.state.leader !== null) emit(turn, { type: 'say-farewell', to: turn.state.leader })
}

function conclude(turn: Turn): void {
  const { lead, replica } = turn.state
  const ending = endingOf(turn.state)
  if (lead === null || replica === null || ending === null) return
  emit(turn, { type: 'checkpoint', version: replica.applied, loss: latestLoss(turn.state)?.loss ?? null })
  summarise(turn, lead, replica, ending.reason)
  end(turn)
}

function end(turn: Turn): void {
  change(turn, { ended: true })
  const ending = endingOf(turn.state)
  if (ending === null) return
  emit(turn, { type: 'end', outcome: ending.ok ? 'finished' : 'failed', reason: ending.reason })
}

/** A stop rule may have been met by the very version that nobody can make: then the run has failed all the same. */
function endingOf({ finishing, replica }: PeerState): PeerState['finishing'] {
  const broken = replica?.broken ?? null
  return finishing === null || broken === null ? finishing : { reason: broken, ok: false }
}

function summarise(turn: Turn, lead: Lead, { ledger, applied }: Replica, reason: string): void {
  const { setup } = turn.state
  const loss = latestLoss(turn.state)?.loss ?? null
  const isAbove = setup.self.role === 'holder'
  // Whoever holds the outer state above is in the account of its cluster.
  const farewells = entriesOf(lead.farewells).filter(
    ([id]) => !isAbove || ledger.members[id]?.role !== 'holder',
  )
  const accounts = farewells.map(([, farewell]) => farewell)
  const steps = isAbove ? sumOf(accounts.map((account) => account.steps ?? 0)) : ledger.steps
  report(turn, {
    type: 'run-finished',
    reason,
    versions: applied,
    steps,
    tokens: steps * setup.tokensPerStep,
    lossBefore: ledger.validation.first ?? turn.state.validation.first,
    loss,
    perplexity: loss === null ? null : Math.exp(loss),
    seconds: (turn.at - lead.startedAt) / 1000,
    meanStaleness: ledger.version === 0 ? 0 : ledger.staleness.sum / ledger.version,
    maxStaleness: ledger.staleness.max,
    utilisation: Object.fromEntries(
      farewells.map(([id, { utilisation }]) => [ledger.members[id]?.name ?? id, utilisation]),
    ),
    bytes: bytesOf(accounts),
    interClusterBytes: sumOf(accounts.map(({ interClusterBytes }) => interClusterBytes)),
  })
}

/** What a whole cluster has to say for itself in the swarm above, once its own peers have given account. */
export function clusterFarewell({ lead, replica }: PeerState): Farewell {
  const accounts = Object.values(lead?.farewells ?? {})
  const mean = (values: readonly number[]) => sumOf(values) / Math.max(1, values.length)
  return {
    type: 'farewell',
    utilisation: mean(accounts.map(({ utilisation }) => utilisation)),
    emulated: mean(accounts.map(({ emulated }) => emulated)),
    bytesSent: bytesOf(accounts),
    interClusterBytes: sumOf(accounts.map(({ interClusterBytes }) => interClusterBytes)),
    steps: replica?.ledger.steps ?? 0,
  }
}

function bytesOf(accounts: readonly Farewell[]): Record<string, number> {
  const bytes: Record<string, number> = {}
  for (const { bytesSent } of accounts)
    for (const [purpose, count] of Object.entries(bytesSent)) bytes[purpose] = (bytes[purpose] ?? 0) + count
  return bytes
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)
