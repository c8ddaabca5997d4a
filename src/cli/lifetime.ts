// How long a ticket is good, as people write it.
import { InvalidArgumentError } from 'commander'

const unitsMs = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Reads 30m, 12h, 7d or never, as ms; never is infinite. */
export function parseLifetime(text: string): number {
  if (text === 'never') return Number.POSITIVE_INFINITY
  const [, digits, unit] = /^([1-9]\d{0,4})([mhd])$/.exec(text) ?? []
  if (digits === undefined || unit === undefined)
    throw new InvalidArgumentError('Expected minutes, hours or days, as in 30m, 12h or 7d, or never.')
  return Number(digits) * unitsMs[unit as keyof typeof unitsMs]
}
