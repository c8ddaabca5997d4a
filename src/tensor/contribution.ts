// Whether a decoded pseudo-gradient may be applied, as far as its numbers tell.
import type { Manifest } from '../core/messages.js'
import { firstNonFinite, norm } from './vector.js'

/** Sums of squares taken in another order or precision differ by far less, other values hardly ever. */
const normTolerance = 1e-3

/**
 * Why the pseudo-gradient `g` is refused, in words; null if its shape, its values and its norm are what the
 * manifest says.
 */
export function checkContribution(
  g: Float32Array,
  manifest: Pick<Manifest, 'norm'>,
  parameters: number,
): string | null {
  if (g.length !== parameters) {
    return `the pseudo-gradient has ${g.length} values, the model ${parameters} parameters`
  }
  const bad = firstNonFinite(g)
  if (bad >= 0) return `the pseudo-gradient is ${g[bad]} at parameter ${bad}, which is no finite number`
  const measured = norm(g)
  if (!(Math.abs(measured - manifest.norm) <= normTolerance * measured)) {
    return `the pseudo-gradient has norm ${measured.toPrecision(6)}, its manifest says ${manifest.norm}`
  }
  return null
}
