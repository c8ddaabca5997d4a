// A cluster as a worker of the swarm above it: its leader takes up that swarm's rounds, reports what the cluster has
// moved, and takes in theta. What a successor needs to go on is in the ledger.
import { donorsOf } from './donors.js'
import type { MergeEntry } from './entries.js'
import type { ParentOffer } from './events.js'
import type { AssignmentId, Hash } from './ids.js'
import type { LedgerState } from './ledger.js'
import type { Manifest } from './messages.js'
import { holdsLease, propose } from './proposals.js'
import { changeLead, emit, type Replica, refuse, report, type Turn } from './state.js'

/** The swarm above gave the cluster a round; its theta is here and durable under its digest. */
export function onParentRound(turn: Turn, offer: ParentOffer): void {
  changeLead(turn, { offer })
  goOnAbove(turn)
}

/** The swarm above is at its end: there is nobody to report to any more. */
export function onParentFinished(turn: Turn, reason: string, ok: boolean): void {
  changeLead(turn, { over: { reason, ok } })
  goOnAbove(turn)
}

/** Does what is due: now, or with the next heartbeat if the lease is not there. */
export function goOnAbove(turn: Turn): void {
  const { lead, setup } = turn.state
  if (setup.run.hierarchy === undefined || !mayPropose(turn)) return
  if (lead?.over != null) return propose(turn, { kind: 'finish', ...lead.over })
  takeUpRound(turn)
  reportIfDue(turn)
}

function mayPropose(turn: Turn): boolean {
  const { lead } = turn.state
  return lead?.ready === true && lead.head.finished === null && holdsLease(turn)
}

function takeUpRound(turn: Turn): void {
  const { lead, replica } = turn.state
  const offer = lead?.offer ?? null
  if (lead === null || replica === null || offer === null) return
  const { round, digest, verdict } = offer
  const { parent } = lead.head
  const afresh = lacksEarlierReports(lead.head)
  // A swarm that was recovered by force may give the name of a round that it lost to another.
  if (parent?.round?.id === round.id && parent.version === round.base && !afresh)
    return changeLead(turn, { offer: null })
  const sent = afresh ? null : appliedReport(lead.head, verdict)
  // The first theta above is the one from which every cluster begins; a recovery by force goes back to an older one.
  const isNews = round.base !== (parent?.version ?? 0) || sent !== null || afresh
  // A leader that came by a snapshot may lack what was reported before: an entry is never without what it names.
  if (isNews && !holdsAll(turn, replica, sent === null ? [digest] : [digest, sent.payload])) return
  const version = lead.head.version + (isNews ? 1 : 0)
  propose(turn, { kind: 'merge', round, payload: isNews ? digest : null, sent, afresh, version })
  changeLead(turn, { offer: null, reporting: null, roundAt: turn.at })
  if (!afresh) return
  const message = `After the recovery by force this cluster begins afresh from version ${round.base} above; what it had moved and not reported is given up.`
  report(turn, { type: 'warning', message })
}

/**
 * Whether the cluster was recovered by force since it took in a theta: it may have lost which of its reports were
 * applied above, and even their bytes. Counting what it has moved anew might count it twice.
 */
const lacksEarlierReports = ({ parent, configuration }: LedgerState): boolean =>
  parent !== null && parent.epoch < configuration.epoch

function holdsAll(turn: Turn, { payloads }: Replica, named: readonly Hash[]): boolean {
  const missing = named.filter((payload) => !payloads[payload])
  for (const payload of missing) emit(turn, { type: 'hold-payload', payload, donors: donorsOf(turn, null) })
  return missing.length === 0
}

/** What was reported counts as moved only where it was applied: else it is reported again with what came after it. */
function appliedReport({ parent }: LedgerState, verdict: ParentOffer['verdict']): MergeEntry['sent'] {
  const report = parent?.report ?? null
  if (report === null || verdict?.outcome !== 'apply') return null
  const { assignment, payload, codec } = report
  return verdict.assignment === assignment ? { payload, codec } : null
}

/** Enough contributions are in, and their outer steps done: the sum of what they moved is made. */
function reportIfDue(turn: Turn): void {
  const { lead, replica, setup } = turn.state
  const parent = lead?.head.parent ?? null
  if (lead === null || replica === null || parent?.round == null) return
  const { round, report, contributions, losses } = parent
  if (report !== null || contributions < round.steps || lead.reporting === round.id) return
  if (lacksEarlierReports(lead.head)) return
  if (replica.applied < lead.head.version || replica.busy) return
  const seconds = Math.max(1, turn.at - (lead.roundAt ?? lead.since)) / 1000
  changeLead(turn, { reporting: round.id })
  emit(turn, {
    type: 'make-report',
    round,
    codec: setup.run.hierarchy?.codec ?? 'fp32',
    speed: contributions / seconds,
    loss: losses / contributions,
  })
}

/** The report's bytes are made and durable: once an entry names them, a successor sends the same. */
export function onReportMade(turn: Turn, manifest: Manifest): void {
  const { lead, replica } = turn.state
  const parent = lead?.head.parent ?? null
  if (lead === null || replica === null || lead.reporting !== manifest.assignment) return
  changeLead(turn, { reporting: null })
  if (parent?.round?.id !== manifest.assignment || parent.report !== null || !mayPropose(turn)) return
  propose(turn, { kind: 'report', manifest })
}

/** It is tried again with the next heartbeat. */
export function onReportFailed(turn: Turn, round: AssignmentId, reason: string): void {
  refuse(turn, 'own report', turn.state.setup.self.name, `${round}: ${reason}`)
  if (turn.state.lead?.reporting === round) changeLead(turn, { reporting: null })
}
