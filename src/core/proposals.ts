// How a leader adds to the ledger, and how it tells a single peer what stands there.
import type { Entry, EntryBody } from './entries.js'
import type { PeerId } from './ids.js'
import { applyEntry } from './ledger.js'
import { changeLead, emit, type Turn } from './state.js'

/** Adds an entry to the own journal; it takes effect when it is durable there (one voter is a majority). */
export function propose(turn: Turn, body: EntryBody): void {
  const { lead } = turn.state
  if (lead === null) return
  const entry: Entry = { ...body, index: lead.head.index + 1, term: lead.term }
  changeLead(turn, { head: applyEntry(lead.head, entry), proposed: [...lead.proposed, entry] })
  emit(turn, { type: 'append', entries: [entry] })
}

export function sendEntries(turn: Turn, to: PeerId, entries: readonly Entry[]): void {
  const { lead, setup } = turn.state
  if (lead === null || to === setup.self.id) return
  emit(turn, { type: 'send', to, message: { type: 'entries', term: lead.term, entries } })
}

export function nameOf(turn: Turn, peer: PeerId): string {
  return turn.state.lead?.head.members[peer]?.name ?? peer
}
