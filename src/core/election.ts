// Who leads: a voter that hears no leader asks the others, first without consequence, then in earnest (Raft with
// pre-vote and leader stickiness). Every answer says why.
import { allVoters, isMajority, isVoter } from './configuration.js'
import { electionMs, soonMs, soonSpreadMs } from './deadlines.js'
import type { PeerId, Term } from './ids.js'
import { lead } from './leader.js'
import { atLeastAsComplete, lastPoint } from './log.js'
import type { AskVote, LogPoint, Vote } from './messages.js'
import { nameOf } from './proposals.js'
import { type Campaign, change, emit, refuse, send, type Turn } from './state.js'
import {
  awaitLeader,
  beginTerm,
  doubtUncommitted,
  hardOf,
  isElectable,
  leaderIsAlive,
  mayLead,
  persistTerm,
} from './terms.js'

/** There is nobody to wait for: a voter asks soon. */
export function askSoon(turn: Turn): void {
  if (!isElectable(turn.state) || turn.state.lead !== null) return
  emit(turn, { type: 'set-timer', name: 'election', afterMs: soonMs, spreadMs: soonSpreadMs })
}

/** The leader has been silent for the whole wait, or its connection is closed. */
export function onElectionDue(turn: Turn): void {
  const { state } = turn
  if (state.lead !== null || !isElectable(state) || state.finishing !== null) return
  if (leaderIsAlive(turn)) return awaitLeader(turn)
  campaign(turn, { pre: true, transfer: false, reason: whyNow(turn) })
}

/** The leader hands over to this peer: it asks in earnest at once. */
export function onTakeOver(turn: Turn, from: PeerId): void {
  if (turn.state.lead !== null || !isElectable(turn.state)) return
  campaign(turn, { pre: false, transfer: true, reason: `${nameOf(turn, from)} handed over to it` })
}

function whyNow(turn: Turn): string {
  const { leader, connected, heardLeaderAt, term, replica } = turn.state
  if (replica?.ledger.index === 0 && replica.log.length === 0) return 'it founded the run'
  if (leader === null) return 'nobody led'
  const name = `${nameOf(turn, leader)}, who led term ${term},`
  if (leader === turn.state.setup.self.id) return `${name} gave up its place and found nobody better`
  if (!connected.includes(leader)) return `${name} cannot be reached`
  return `${name} had been silent for ${((turn.at - heardLeaderAt) / 1000).toFixed(1)} s`
}

/** Asks the voters. A vote for oneself counts when it is durable, like any other. */
function campaign(
  turn: Turn,
  { pre, transfer, reason }: Pick<Campaign, 'pre' | 'transfer' | 'reason'>,
): void {
  const { state } = turn
  const { replica, setup } = state
  if (replica === null) return
  const self = setup.self.id
  const term = state.term + 1
  const before = state.campaign
  // On a slow link the answers to one question come after it was asked again.
  const granted = pre && before?.pre === true && before.term === term ? before.granted : []
  change(turn, { campaign: { pre, transfer, reason, term, askedAt: turn.at, granted } })
  const afterMs = pre ? soonMs : electionMs([]) / 2
  emit(turn, { type: 'set-timer', name: 'election', afterMs, spreadMs: pre ? electionMs([]) / 5 : afterMs })
  const { epoch } = state
  const ask: AskVote = { type: 'ask-vote', epoch, term, pre, transfer, last: lastPoint(replica) }
  const others = allVoters(replica.configuration).filter((voter) => voter !== self)
  if (pre) {
    for (const to of others) send(turn, to, ask)
    return count(turn, self)
  }
  change(turn, { term, vote: self, leader: null })
  doubtUncommitted(turn)
  const grant: Vote = { type: 'vote', epoch, term, pre, granted: true, reason: 'it is the candidate' }
  const thenSend = [{ to: self, message: grant }, ...others.map((to) => ({ to, message: ask }))]
  emit(turn, { type: 'persist', hard: hardOf(turn.state), entries: [], thenSend })
}

/** Another voter asks to lead. */
export function onAskVote(turn: Turn, from: PeerId, ask: AskVote): void {
  const { replica } = turn.state
  if (replica === null) return
  // By its own configuration it may be one that this peer has not heard of yet: a replica at least it must be.
  if (!mayLead(turn, from)) return refuse(turn, 'candidate', nameOf(turn, from), 'it is no voter')
  if (ask.epoch !== turn.state.epoch) {
    const reason = `it is of epoch ${ask.epoch}; this run was recovered by force ${turn.state.epoch} times`
    return refuse(turn, 'candidate', nameOf(turn, from), reason)
  }
  const no = whyNot(turn, from, ask, lastPoint(replica))
  const granted = no === null
  const reason = no ?? 'its ledger is complete, and nobody leads'
  const answer = (): Vote => {
    const { epoch, term } = turn.state
    return { type: 'vote', epoch, term: granted ? ask.term : term, pre: ask.pre, granted, reason }
  }
  if (ask.pre) return send(turn, from, answer())
  if (ask.term > turn.state.term && !isTooSoon(turn, from, ask)) beginTerm(turn, ask.term)
  if (granted) {
    change(turn, { vote: from })
    awaitLeader(turn)
  }
  // The answer leaves when it is durable: a vote that a restart forgets could be given twice.
  emit(turn, {
    type: 'persist',
    hard: hardOf(turn.state),
    entries: [],
    thenSend: [{ to: from, message: answer() }],
  })
}

function whyNot(turn: Turn, from: PeerId, ask: AskVote, own: LogPoint): string | null {
  const { state } = turn
  if (ask.term < state.term) return `term ${ask.term} is over; term ${state.term} has begun`
  if (ask.pre && ask.term === state.term) return `term ${state.term} has begun`
  if (isTooSoon(turn, from, ask)) return `${nameOf(turn, state.leader ?? from)} leads and is heard`
  if (!atLeastAsComplete(ask.last, own))
    return `its ledger ends at entry ${ask.last.index} of term ${ask.last.term}, the one here at ${own.index} of term ${own.term}`
  if (!ask.pre && ask.term === state.term && state.vote !== null && state.vote !== from)
    return `the vote of term ${state.term} went to ${nameOf(turn, state.vote)}`
  return null
}

/** A leader that is heard is not voted out: one peer's bad link must not unseat it. */
function isTooSoon(turn: Turn, from: PeerId, { transfer, term }: AskVote): boolean {
  if (transfer || turn.state.leader === from || term < turn.state.term) return false
  return turn.state.lead !== null || leaderIsAlive(turn)
}

/** A voter knows of a later term than this peer. Whoever leads in an earlier one leads no more. */
export function onNewerTerm(turn: Turn, from: PeerId, term: Term): void {
  const { replica } = turn.state
  if (replica === null || term <= turn.state.term) return
  if (!isVoter(replica.configuration, from))
    return refuse(turn, 'term', nameOf(turn, from), `it is no voter, and says that term ${term} has begun`)
  beginTerm(turn, term)
  persistTerm(turn)
  askSoon(turn)
}

/** A voter answers a campaign. */
export function onVote(turn: Turn, from: PeerId, vote: Vote): void {
  const { state } = turn
  const { campaign: running, replica, epoch } = state
  if (replica === null || !isVoter(replica.configuration, from) || vote.epoch !== epoch) {
    return refuse(turn, 'vote', nameOf(turn, from), 'it is no voter')
  }
  if (!vote.granted && vote.term > state.term) return onNewerTerm(turn, from, vote.term)
  if (running === null || running.pre !== vote.pre || running.term !== vote.term || !vote.granted) return
  count(turn, from)
}

function count(turn: Turn, from: PeerId): void {
  const { campaign: running, replica } = turn.state
  if (running === null || replica === null || running.granted.includes(from)) return
  const granted = [...running.granted, from]
  change(turn, { campaign: { ...running, granted } })
  if (!isMajority(replica.configuration, granted)) return
  if (running.pre) return campaign(turn, { pre: false, transfer: false, reason: running.reason })
  change(turn, { campaign: null })
  const names = granted.map((peer) => nameOf(turn, peer)).join(', ')
  const voters = allVoters(replica.configuration).length
  const by = voters === 1 ? 'it is the only voter' : `${names} of ${voters} voters chose it`
  lead(turn, { ...running, granted }, `${running.reason}; ${by}`)
}
