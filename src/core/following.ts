// A replica follows the leader's log: takes entries that continue its own, with their payloads durable first, and
// commits as far as the leader says (Raft, section 5.3).
import { donorsOf } from './donors.js'
import { type Entry, payloadsOf } from './entries.js'
import type { Hash, Index, PeerId } from './ids.js'
import { configurationOf, entriesFrom, entryAt, lastPoint, termAt, withEntries } from './log.js'
import type { Append, Appended } from './messages.js'
import { abandonReplica, commitToReplica } from './replica.js'
import { change, changeReplica, emit, type Replica, send, type Turn } from './state.js'

/** Entries that may wait for one payload: what more comes is sent again when it is here. */
const mostWaiting = 1_000

/** Entries from the leader. Returns those that became committed here. */
export function onAppend(turn: Turn, from: PeerId, append: Append): readonly Entry[] {
  const { replica } = turn.state
  if (replica === null) return []
  const { prev, entries, commit } = append
  const { waiting } = replica
  const lastWaiting = waiting?.entries.at(-1)
  if (waiting !== null && lastWaiting?.index === prev.index && lastWaiting.term === prev.term) {
    wait(turn, [...waiting.entries, ...entries])
    return commitUpTo(turn, commit)
  }
  if (prev.index > replica.base.index && termAt(replica, prev.index) !== prev.term) {
    const index = Math.min(lastPoint(replica).index, prev.index - 1)
    send(turn, from, acknowledgement(turn, false, index))
    return []
  }
  if (!take(turn, from, prev.index, entries)) return []
  return commitUpTo(turn, commit)
}

/** Entries that continue what is here from `prev` on. False if they contradict what is committed. */
function take(turn: Turn, from: PeerId, prev: Index, entries: readonly Entry[]): boolean {
  const { replica } = turn.state
  if (replica === null) return false
  const first = entries.findIndex(
    ({ index, term }) => index > replica.base.index && termAt(replica, index) !== term,
  )
  const news = first < 0 ? [] : entries.slice(first)
  if (news.length > 0 && news[0].index <= replica.ledger.index) {
    abandonReplica(turn, `entry ${news[0].index} is committed here, and the leader has another`)
    return false
  }
  const known = (entries.at(-1)?.index ?? prev) - news.length
  changeReplica(turn, { matched: Math.max(matchedBefore(replica, news[0]), known), waiting: null })
  keep(turn, from, news, known)
  return true
}

/** What is replaced from an entry on is not the leader's. */
const matchedBefore = ({ matched }: Replica, first: Entry | undefined): Index =>
  first === undefined ? matched : Math.min(matched, first.index - 1)

/** Makes durable what has its payloads here; the rest waits for the first that is missing. */
function keep(turn: Turn, from: PeerId, entries: readonly Entry[], known: Index): void {
  const { replica } = turn.state
  if (replica === null) return
  const missing = entries.findIndex((entry) => missingOf(replica, entry) !== undefined)
  const taken = missing < 0 ? entries : entries.slice(0, missing)
  const longer = withEntries(replica, taken)
  const matched = taken.at(-1)?.index ?? known
  const configuration = taken.length > 0 ? configurationOf(longer, replica.ledger) : replica.configuration
  change(turn, { replica: { ...longer, configuration, matched: Math.max(replica.matched, matched) } })
  const thenSend = [{ to: from, message: acknowledgement(turn, true, matched) }]
  // Also without entries: what was taken before may still be on its way to the disk.
  emit(turn, { type: 'persist', hard: null, entries: taken, thenSend })
  if (missing >= 0) wait(turn, entries.slice(missing))
}

/** Entries wait until the payload that the first of them names is durable here: only then do they count. */
function wait(turn: Turn, entries: readonly Entry[]): void {
  const { replica } = turn.state
  const [first] = entries
  const payload = replica === null || first === undefined ? undefined : missingOf(replica, first)
  if (replica === null || payload === undefined) return
  const asked = replica.waiting?.payload === payload
  changeReplica(turn, { waiting: { entries: entries.slice(0, mostWaiting), payload } })
  const worker = first.kind === 'apply' ? first.worker : null
  if (!asked) emit(turn, { type: 'hold-payload', payload, donors: donorsOf(turn, worker) })
}

/** The first payload that an entry names and that is not here. */
const missingOf = ({ payloads }: Replica, entry: Entry): Hash | undefined =>
  payloadsOf(entry).find((payload) => !payloads[payload])

/** A payload is durable here: entries that waited for it are taken. */
export function onPayloadHeld(turn: Turn, payload: Hash): void {
  const { replica, leader } = turn.state
  if (replica === null) return
  changeReplica(turn, { payloads: { ...replica.payloads, [payload]: true } })
  const { waiting } = replica
  if (waiting?.payload !== payload) return
  changeReplica(turn, { waiting: null })
  const before = waiting.entries[0].index - 1
  if (leader !== null && lastPoint(replica).index === before) keep(turn, leader, waiting.entries, before)
}

/** It could not be had: what waits for it is asked for again with the next heartbeat. */
export function onPayloadFailed(turn: Turn, payload: Hash): void {
  if (turn.state.replica?.waiting?.payload === payload) changeReplica(turn, { waiting: null })
}

/** The leader has committed up to here; what this log shares with its is committed too. */
export function commitUpTo(turn: Turn, commit: Index): readonly Entry[] {
  const { replica } = turn.state
  if (replica === null) return []
  const end = Math.min(commit, replica.matched)
  const committed = entriesFrom(replica, replica.ledger.index + 1, end - replica.ledger.index)
  for (const entry of committed) {
    if (turn.state.replica === null || entryAt(turn.state.replica, entry.index) === undefined) break
    commitToReplica(turn, entry)
  }
  return committed
}

function acknowledgement({ state }: Turn, ok: boolean, index: Index): Appended {
  return { type: 'appended', epoch: state.epoch, term: state.term, ok, index }
}
