// A loss over versions, kept small enough to copy and to draw.

/** A loss at a version, nats per token. */
export interface LossPoint {
  readonly version: number
  readonly loss: number
}

// More than a terminal has columns, and little enough to copy at every version of a long run.
const CURVE_POINTS = 512

/** The curve with one more point, in order of version; a version is drawn once, and old points thin out. */
export function withPoint(curve: readonly LossPoint[], { version, loss }: LossPoint): readonly LossPoint[] {
  if (curve.some((point) => point.version === version)) return curve
  const at = curve.findLastIndex((point) => point.version < version) + 1
  const longer = curve.toSpliced(at, 0, { version, loss })
  if (longer.length <= CURVE_POINTS) return longer
  return longer.filter((_, index) => index % 2 === 0 || index === longer.length - 1)
}
