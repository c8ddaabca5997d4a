// How the leader's log reaches the replicas, and when an entry is committed: a majority of the voters has it, and
// the payload that it names, durable (Raft, section 5.3 and 5.4.2).
import { allVoters, majorityHas } from './configuration.js'
import { heartbeatMs } from './deadlines.js'
import type { Index, PeerId, Term } from './ids.js'
import { entriesFrom, lastPoint, termAt } from './log.js'
import type { Appended, Pulse } from './messages.js'
import { changeLead, type Lead, type Progress, send, type Turn } from './state.js'

/** Entries per message: 100 of them stay well below the 64 KiB that a control message may have. */
export const entriesPerMessage = 100
/** Messages sent ahead of their answers when a replica is far behind. */
const messagesAhead = 10

/** Who follows the ledger besides the leader: voters, whether they are there or not, and every present replica. */
export function followers(turn: Turn): readonly PeerId[] {
  const { lead, replica, setup } = turn.state
  if (lead === null || replica === null) return []
  const all = allVoters(replica.configuration).filter((id) => id !== setup.self.id)
  for (const { id, replica: holds, present } of Object.values(lead.head.members))
    if (holds && present && id !== setup.self.id && !all.includes(id)) all.push(id)
  return all
}

export function progressOf(turn: Turn, peer: PeerId): Progress {
  return turn.state.lead?.progress[peer] ?? unknownProgress(turn)
}

const lastIndex = ({ state: { replica } }: Turn): Index => (replica === null ? 0 : lastPoint(replica).index)

/** Of a replica that this leader has not heard yet: it is thought to have all, until it says otherwise. */
export function unknownProgress(turn: Turn): Progress {
  const unheard = { sentAt: -1, beat: Number.NEGATIVE_INFINITY, steadySince: turn.at, behind: null }
  return { next: lastIndex(turn) + 1, match: 0, ...unheard }
}

export function changeProgress(turn: Turn, peer: PeerId, changes: Partial<Progress>): void {
  const { lead } = turn.state
  if (lead === null) return
  changeLead(turn, { progress: { ...lead.progress, [peer]: { ...progressOf(turn, peer), ...changes } } })
}

/**
 * Sends a replica the entries it lacks. What was sent is taken for received until an answer says otherwise.
 *
 * @param evenIfNone to tell it how far the ledger is committed
 */
export function sendMissing(turn: Turn, peer: PeerId, evenIfNone: boolean): void {
  const { lead, replica, epoch } = turn.state
  if (lead === null || replica === null || !turn.state.connected.includes(peer)) return
  const { next } = progressOf(turn, peer)
  const last = lastPoint(replica).index
  if (next <= replica.base.index || (next > last && !evenIfNone)) return
  let from = next
  for (let message = 0; message < messagesAhead; message++) {
    const entries = entriesFrom(replica, from, entriesPerMessage)
    const prev = { index: from - 1, term: termAt(replica, from - 1) ?? 0 }
    const commit = replica.ledger.index
    send(turn, peer, { type: 'append', epoch, term: lead.term, prev, entries, commit })
    from += entries.length
    if (from > last) break
  }
  changeProgress(turn, peer, { next: from, ...(from > next && { sentAt: turn.at }) })
}

/** A replica has entries durable, or lacks those before the ones it was sent. Returns whether more may be committed. */
export function onAppended(turn: Turn, from: PeerId, { ok, index }: Appended): boolean {
  const { match, next } = progressOf(turn, from)
  if (!ok) {
    changeProgress(turn, from, { next: Math.max(match, Math.min(index, lastIndex(turn))) + 1 })
    return false
  }
  if (index <= match) return false
  changeProgress(turn, from, { match: index, next: Math.max(next, index + 1) })
  return true
}

/** What a replica's pulse shows to be lost on the way is sent again: what left before the heartbeat was there before it. */
export function resendLost(turn: Turn, from: PeerId, { beat, index }: Pulse): void {
  const { next, sentAt, match } = progressOf(turn, from)
  if (sentAt >= beat) return
  if (index + 1 < next) return changeProgress(turn, from, { next: Math.max(match, index) + 1 })
  // It has all of it, but its word that it is durable did not come.
  if (match + 1 < next) sendMissing(turn, from, true)
}

/** A replica answered a heartbeat: the lease counts from when that one was sent. */
export function notePulse(turn: Turn, from: PeerId, { beat, held }: Pulse): void {
  const { lead } = turn.state
  const known = progressOf(turn, from)
  // Nobody can have answered what was not sent yet.
  if (lead === null || beat > turn.at || beat <= known.beat) return
  const gap = beat - known.beat > 3 * heartbeatMs
  changeProgress(turn, from, {
    beat,
    behind: held === null ? null : lead.head.version - held.version,
    ...(gap && { steadySince: turn.at }),
  })
}

/** How far the ledger may be committed now: entries of earlier terms only together with one of this term. */
export function committable(turn: Turn): Index {
  const { lead, replica, setup } = turn.state
  if (lead === null || replica === null) return 0
  const reached = majorityHas(replica.configuration, (voter) => durableAt(lead, voter, setup.self.id))
  return termAt(replica, reached) === lead.term ? reached : replica.ledger.index
}

function durableAt(lead: Lead, voter: PeerId, self: PeerId): Index {
  return voter === self ? lead.durable : (lead.progress[voter]?.match ?? 0)
}

/** The own log is durable up to this entry, unless another took its place meanwhile. */
export function noteDurable(turn: Turn, index: Index, term: Term): void {
  const { lead, replica } = turn.state
  if (lead === null || replica === null || termAt(replica, index) !== term) return
  if (index > lead.durable) changeLead(turn, { durable: index })
}
