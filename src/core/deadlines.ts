// How long to wait for whom: durations derived from what was observed, each with its reason.
import { median, spread } from '../outer/statistics.js'

/** Members answer every heartbeat; the network notices a closed connection long before. */
export const heartbeatMs = 500
/** Heartbeats without a word after which a voter may ask to lead: fewer would take a busy machine for a dead one. */
const electionBeats = 5
/** A leader whose pauses were longer than usual is given as much more, up to this factor. */
const mostElectionFactor = 4
/** A leader counts on the latest answers of a majority for this long: shorter than anyone's election timeout. */
export const leaseMs = 4 * heartbeatMs
/** After the connection to the leader closed, or with nobody leading, a voter asks soon; the spread avoids ties. */
export const soonMs = 50
export const soonSpreadMs = 250
/** A peer that is stopped by its user waits this long for others to take over what it held. */
export const leavingMs = 1_000
/** A replica that answered every heartbeat for this long may vote: ten of them, as many as evict a silent one. */
export const steadyMs = 10 * heartbeatMs
/** A leader whose own clock skipped more than this was not running: it can judge nobody by the time that passed. */
export const lateBeatMs = 4 * heartbeatMs
/** A member not heard for this long may be gone: it gets no new work until it is heard again. */
export const doubtMs = 6 * heartbeatMs
/** Twenty unanswered heartbeats: below that a busy machine or a full link would be taken for a lost one. */
export const silenceMs = 20 * heartbeatMs
/** Longest wait for `startPeers` workers before those present begin: process start, engine start and discovery take seconds. */
export const gatherMs = 30_000
/** A finished run waits this long for the last validation and the members' accounts. */
export const farewellMs = 20_000
/** A worker whose speed nobody has measured gets this long; its first round gives the measure. */
const unmeasuredMs = 10 * 60_000
/** Spreads beyond the median that a round may take: of a normal distribution hardly one in twenty takes longer. */
const patience = 3
/** Even a steady worker may take twice its usual time: a machine shared with other work slows by about that much. */
const leastFactor = 2
/** A worker measured once, or only in its rehearsal, may take thrice as long: its spread is not known. */
const unsureFactor = 3
/** Added to every deadline: one re-offer, and an election meanwhile. */
const allowanceMs = 5_000
/** Deadlines are doubled this often at most: 64 times what was expected is time for any device. */
const mostDoublings = 6
/** Longest rest of a worker whose rounds fail: a machine that was mended is back within a minute. */
const mostRestMs = 60_000
/** First wait for a verdict: commit and outer step take a fraction of it. */
const firstReofferMs = 3_000
/** Longest wait before a contribution is offered again: a leader that came back has it within half a minute. */
const mostReofferMs = 30_000

/**
 * How long a voter waits for a sign of the leader before it asks to lead, at least; it waits up to twice that.
 *
 * @param gaps ms between the leader's latest signs of life
 */
export function electionMs(gaps: readonly number[]): number {
  const usual = Math.max(heartbeatMs, median(gaps) + spread(gaps))
  return electionBeats * Math.min(usual, mostElectionFactor * heartbeatMs)
}

export interface RoundExpectation {
  readonly steps: number
  /** Steps per second in the worker's latest rounds, or in its rehearsal; none when not measured. */
  readonly speeds: readonly number[]
  /** ms of recent rounds that were not training. */
  readonly overheads: readonly number[]
  /** Assignments of this worker in a row that came to nothing: each doubles the next one's deadline. */
  readonly failures: number
}

/** How long a worker may take for a round, in ms: the median of its like, and their spread. */
export function deadlineMs({ steps, speeds, overheads, failures }: RoundExpectation): number {
  const grace = 2 ** Math.min(failures, mostDoublings)
  if (speeds.length === 0) return unmeasuredMs * grace
  const rounds = speeds.map((speed) => (steps / speed) * 1000)
  const expectedMs = median(rounds) + median(overheads)
  const factor = speeds.length === 1 ? unsureFactor : leastFactor
  const slackMs = patience * (spread(rounds) + spread(overheads)) + allowanceMs
  return Math.ceil((factor * expectedMs + slackMs) * grace)
}

/** One round that came to nothing is an accident; from the second in a row on a worker rests, twice as long each time. */
export function restMs(failures: number): number {
  return failures < 2 ? 0 : Math.min(mostRestMs, 1_000 * 2 ** (failures - 2))
}

/** How long a worker waits for a verdict before it offers again: doubled each time. */
export function reofferMs(offers: number): number {
  return Math.min(mostReofferMs, firstReofferMs * 2 ** offers)
}
