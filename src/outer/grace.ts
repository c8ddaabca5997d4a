// How long a grace window stays open after its first arrival (Alg. 2, 4, 5).

/** A wait beyond this share of a round costs the fast workers more than restarting together gains. */
const mostOfRound = 0.1

export interface GraceInputs {
  /** Seconds, or `auto`. */
  readonly setting: 'auto' | number
  /** Measured time of one local step of the slowest worker. */
  readonly slowestStepMs: number
  /** Latest minus earliest of the recent transfer times. */
  readonly transferSpreadMs: number
  /** Typical time from assignment to arrival. */
  readonly roundMs: number
}

/**
 * Length of the grace window. `auto`: rounding in DyLU makes finish times differ by up to one step of the slowest
 * worker, and transfers by their spread; the sum of both, at most a tenth of a round.
 */
export function graceMs({ setting, slowestStepMs, transferSpreadMs, roundMs }: GraceInputs): number {
  if (setting !== 'auto') return setting * 1000
  return Math.min(slowestStepMs + transferSpreadMs, mostOfRound * roundMs)
}
