// Whether a decoded pseudo-gradient may be applied, as far as its numbers tell.
import type { Manifest } from '../core/messages.js'

/** Sums of squares taken in another order or precision differ by far less, other values hardly ever. */
const normTolerance = 1e-3

/** A check that takes the values piece by piece, in order. */
export class ContributionCheck {
  #values = 0
  /** In float64 from first to last: squares of finite fp32 values cannot overflow it. */
  #squares = 0
  #bad: string | null = null

  add(values: Float32Array): void {
    for (let i = 0; i < values.length; i++) {
      const value = values[i]
      if (!Number.isFinite(value)) this.#bad ??= `${value} at parameter ${this.#values + i}`
      this.#squares += value * value
    }
    this.#values += values.length
  }

  /** Why the pseudo-gradient is refused, in words; null if its values and its norm are what the manifest says. */
  problem({ norm }: Pick<Manifest, 'norm'>, values: number): string | null {
    if (this.#values !== values) return `the pseudo-gradient has ${this.#values} values, not ${values}`
    if (this.#bad !== null) return `the pseudo-gradient is ${this.#bad}, which is no finite number`
    const measured = Math.sqrt(this.#squares)
    if (!(Math.abs(measured - norm) <= normTolerance * measured))
      return `the pseudo-gradient has norm ${measured.toPrecision(6)}, its manifest says ${norm}`
    return null
  }
}

/** The check of a whole pseudo-gradient `g`, of all parameters or of a fragment. */
export function checkContribution(
  g: Float32Array,
  manifest: Pick<Manifest, 'norm'>,
  values: number,
): string | null {
  const check = new ContributionCheck()
  check.add(g)
  return check.problem(manifest, values)
}
