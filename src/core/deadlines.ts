// How long to wait for whom: durations derived from what was observed, each with its reason.
import { median, spread } from '../outer/statistics.js'

/** Members answer every heartbeat; the network notices a closed connection long before. */
export const heartbeatMs = 1_000
/** A leader whose own clock skipped more than this was not running: it can judge nobody by the time that passed. */
export const lateBeatMs = 3 * heartbeatMs
/** A member not heard for this long may be gone: it gets no new work until it is heard again. */
export const doubtMs = 3 * heartbeatMs
/** Ten unanswered heartbeats: below that a busy machine or a full link would be taken for a lost one. */
export const silenceMs = 10 * heartbeatMs
/** Longest wait for `startPeers` workers before those present begin: process start, engine start and discovery take seconds. */
export const gatherMs = 30_000
/** A finished run waits this long for the last validation and the members' accounts. */
export const farewellMs = 20_000
/** A worker whose speed nobody has measured gets this long; its first round gives the measure. */
const unmeasuredMs = 10 * 60_000
/** A round may take three times as long as expected: a machine shared with other work slows by about that much. */
const patience = 3
/** Added to every deadline: the clock's grain, process scheduling and one re-offer. */
const allowanceMs = 5_000
/** Deadlines are doubled this often at most: 64 times what was expected is time for any device. */
const mostDoublings = 6
/** Longest rest of a worker whose rounds fail: a machine that was mended is back within a minute. */
const mostRestMs = 60_000
/** Longest wait before a contribution is offered again: a leader that came back has it within half a minute. */
const mostReofferMs = 30_000

export interface RoundExpectation {
  readonly steps: number
  /** Steps per second; null when not measured. */
  readonly speed: number | null
  /** ms of recent rounds that were not training. */
  readonly overheads: readonly number[]
  /** Assignments of this worker in a row that came to nothing: each doubles the next one's deadline. */
  readonly failures: number
}

/** How long a worker may take for a round, in ms. */
export function deadlineMs({ steps, speed, overheads, failures }: RoundExpectation): number {
  const grace = 2 ** Math.min(failures, mostDoublings)
  if (speed === null) return unmeasuredMs * grace
  const expectedMs = (steps / speed) * 1000 + median(overheads)
  return Math.ceil((patience * expectedMs + patience * spread(overheads) + allowanceMs) * grace)
}

/** One round that came to nothing is an accident; from the second in a row on a worker rests, twice as long each time. */
export function restMs(failures: number): number {
  return failures < 2 ? 0 : Math.min(mostRestMs, heartbeatMs * 2 ** (failures - 2))
}

/** How long a worker waits for a verdict before it offers again: doubled each time. */
export function reofferMs(offers: number): number {
  return Math.min(mostReofferMs, 3 * heartbeatMs * 2 ** offers)
}
