// Draws the loss curves in characters.
import asciichart from 'asciichart'
import type { LossPoint } from './loss-curve.js'
import type { SwarmState } from './swarm-view.js'

// Labels such as ` 12.345 ` and the axis after them.
const LABEL_COLUMNS = 9

/** Training and validation loss over versions in at most `columns` x `rows`; empty with nothing to draw. */
export function lossChart(state: SwarmState, columns: number, rows: number, colored: boolean): string[] {
  const plotColumns = columns - LABEL_COLUMNS
  if (rows < 3 || plotColumns < 10) return []
  const last = Math.max(state.version, 1)
  const training = state.training.length > 1 ? sampled(state.training, last, plotColumns) : null
  const validation = state.validation.length > 1 ? sampled(state.validation, last, plotColumns) : null
  // Without colours two lines cannot be told apart: the held-out loss is the one that matters.
  const drawn = colored ? [training, validation] : [validation ?? training]
  const series = drawn.filter((curve) => curve !== null)
  if (series.length === 0) return []
  const colors = colored
    ? drawn.flatMap((curve, at) => (curve === null ? [] : [at === 0 ? asciichart.cyan : asciichart.green]))
    : []
  const plot = asciichart.plot(series, {
    // asciichart may round to one row more than asked, and counts rows between lines.
    height: rows - 2,
    // asciichart counts a label as one column.
    offset: 2,
    colors,
    format: (value) => `${value.toFixed(3).padStart(LABEL_COLUMNS - 2)} `,
  })
  return plot
    .split('\n')
    .slice(0, rows)
    .map((line) => line.trimEnd())
}

/** The curve at `points` even steps of version from its first to its last, straight lines between. */
function sampled(curve: readonly LossPoint[], lastVersion: number, most: number): number[] {
  const first = curve[0].version
  const span = curve[curve.length - 1].version - first
  const points = Math.max(2, Math.round(((most - 1) * span) / Math.max(lastVersion - first, span, 1)))
  return Array.from({ length: points }, (_, at) => lossAt(curve, first + (span * at) / (points - 1)))
}

function lossAt(curve: readonly LossPoint[], version: number): number {
  const right = curve.findIndex((point) => point.version >= version)
  if (right <= 0) return curve[right === 0 ? 0 : curve.length - 1].loss
  const [a, b] = [curve[right - 1], curve[right]]
  return a.loss + ((b.loss - a.loss) * (version - a.version)) / (b.version - a.version)
}
