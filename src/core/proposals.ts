// How a leader adds to the ledger, and how it tells a single peer what stands there.

import { applyEntry } from './apply-entry.js'
import { majorityHas } from './configuration.js'
import { leaseMs } from './deadlines.js'
import type { Entry, EntryBody } from './entries.js'
import type { PeerId } from './ids.js'
import { configurationOf, lastPoint, withEntries } from './log.js'
import { change, changeLead, changeReplica, emit, send, type Turn } from './state.js'

/**
 * Whether this leader may add to the ledger: a majority answered heartbeats that it sent a short while ago. One
 * that was cut off, or stood still, might be a leader of the past.
 */
export function holdsLease(turn: Turn, forMs: number = leaseMs): boolean {
  const { lead, replica, setup } = turn.state
  if (lead === null || replica === null) return false
  const answered = majorityHas(replica.configuration, (voter) =>
    voter === setup.self.id ? turn.at : (lead.progress[voter]?.beat ?? Number.NEGATIVE_INFINITY),
  )
  return turn.at - answered <= forMs
}

/** Adds an entry to the own log; it takes effect when a majority of the voters have it durable. */
export function propose(turn: Turn, body: EntryBody): void {
  const { lead, replica } = turn.state
  if (lead === null || replica === null) return
  const entry: Entry = { ...body, index: lastPoint(replica).index + 1, term: lead.term }
  changeLead(turn, { head: applyEntry(lead.head, entry) })
  const longer = withEntries(replica, [entry])
  const configuration =
    entry.kind === 'configure' ? configurationOf(longer, replica.ledger) : replica.configuration
  change(turn, { replica: { ...longer, configuration } })
  changeReplica(turn, { matched: entry.index })
  emit(turn, { type: 'persist', hard: null, entries: [entry], thenSend: [] })
}

/** Committed entries that concern one peer, once more. */
export function sendEntries(turn: Turn, to: PeerId, entries: readonly Entry[]): void {
  const { lead, setup, epoch } = turn.state
  if (lead === null || to === setup.self.id) return
  send(turn, to, { type: 'entries', epoch, term: lead.term, entries })
}

export function nameOf({ state }: Turn, peer: PeerId): string {
  const members = state.lead?.head.members ?? state.replica?.ledger.members
  return members?.[peer]?.name ?? (peer === state.setup.self.id ? state.setup.self.name : peer)
}
