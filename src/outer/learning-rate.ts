// The inner learning rate, Eq. 3: one schedule per shard, not per worker.

export interface Schedule {
  readonly peak: number
  readonly min: number
  readonly warmupSteps: number
  /** T: the step at which the cosine reaches `min`; need not be whole. */
  readonly totalSteps: number
}

/**
 * Linear warm-up to `peak`, then half a cosine down to `min` at `totalSteps`, and `min` ever after (Eq. 3).
 *
 * @param step local steps taken on the shard before this one
 */
export function learningRateAt(step: number, { peak, min, warmupSteps, totalSteps }: Schedule): number {
  if (step < warmupSteps) return (peak * step) / warmupSteps
  const decaySteps = totalSteps - warmupSteps
  const ratio = decaySteps > 0 ? Math.min(1, (step - warmupSteps) / decaySteps) : 1
  return min + 0.5 * (peak - min) * (1 + Math.cos(Math.PI * ratio))
}

/** T_i of every shard: its share, by size, of the local steps that all workers take together. */
export function shardScheduleSteps(totalSteps: number, shardSizes: readonly number[]): number[] {
  const whole = shardSizes.reduce((sum, size) => sum + size, 0)
  return shardSizes.map((size) => (totalSteps * size) / whole)
}
