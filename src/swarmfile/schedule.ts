// How many local steps a run's learning-rate schedule spans, all shards together.
import type { RunConfig } from './schema.js'

/** Without a limit in steps, tokens or versions the schedule spans this many rounds of the fastest worker. */
const roundsWithoutLimit = 1_000

/** `inner.scheduleSteps`, else what the stop rule allows: exact for steps and tokens, an upper bound for versions. */
export function scheduledSteps(run: RunConfig, tokensPerStep: number): number {
  const { inner, stop, localSteps, hierarchy } = run

  if (inner.scheduleSteps !== undefined) return inner.scheduleSteps
  if (stop.steps !== undefined) return stop.steps
  if (stop.tokens !== undefined) return Math.ceil(stop.tokens / tokensPerStep)
  // A version of the swarm above sums up so many contributions of a cluster.
  return (stop.versions ?? roundsWithoutLimit) * localSteps * (hierarchy?.contributions ?? 1)
}
