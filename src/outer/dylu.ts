// Dynamic local updates (DyLU), Eq. 6: workers take steps in proportion to their speed, so that they finish
// together. Speeds are local steps per second.
import { median } from './statistics.js'

/** Slack at the floor: 0.58 / 0.58 * 50 must not come out as 49. */
const rounding = 1e-9

/** steps_w = max(1, floor(v_w / max v * H)), at most H (Eq. 6). */
export function localSteps(speed: number, fastest: number, H: number): number {
  const steps = Math.floor((speed / fastest) * H * (1 + rounding))
  return Math.min(H, Math.max(1, steps))
}

/** From this many workers on, one speed measured far too high must not slow everybody else down. */
const crowd = 8
/** Share of a crowd's speeds at or below the one that counts as the fastest: of 8 workers it drops one. */
const crowdPercentile = 0.9

/** max v of Eq. 6: the highest speed, or with 8 and more workers a high percentile; null without any. */
export function fastestSpeed(speeds: readonly number[]): number | null {
  if (speeds.length === 0) return null
  const sorted = [...speeds].sort((a, b) => a - b)
  const last = sorted.length - 1
  return sorted[sorted.length < crowd ? last : Math.floor(crowdPercentile * last)]
}

/** The running estimate of one worker's speed: the median of its recent rounds; null without any. */
export function robustSpeed(recent: readonly number[]): number | null {
  return recent.length === 0 ? null : median(recent)
}

/** An honest worker spends at least a quarter of the time between assignment and arrival in its steps. */
const mostOverArrival = 4

/**
 * A self-reported speed, held to what the arrival allows: the round lasted no longer than the time since its
 * assignment, and not less than a quarter of it.
 *
 * @param reported steps per second, as the worker says; anything but a positive number counts as the least
 * @param elapsedMs from sending the assignment to the contribution's arrival; not positive says nothing
 */
export function clampSpeed(reported: number, steps: number, elapsedMs: number): number {
  if (!(elapsedMs > 0)) return reported
  const least = (steps * 1000) / elapsedMs
  return reported > least ? Math.min(reported, mostOverArrival * least) : least
}
