// A row of `skein bench outer`: a part of the outer step, done in one of the ways there are.
import { z } from 'zod'
import { median } from '../outer/statistics.js'

export const outerRowSchema = z.strictObject({
  what: z
    .enum(['decode', 'step between milestones', 'step at a milestone', 'digest', 'apply', 'event-loop delay'])
    .describe('digest: of one vector; apply: all that becomes of a payload.'),
  how: z.string(),
  ms: z.number().nonnegative().describe('Median.'),
  leastMs: z.number().nonnegative(),
  mostMs: z.number().nonnegative(),
  runs: z.number().int().positive(),
  parameters: z.number().int().positive(),
})
export type OuterRow = z.infer<typeof outerRowSchema>

/** @param ms of each run, at least one */
export function outerRow(
  subject: Pick<OuterRow, 'what' | 'how' | 'parameters'>,
  ms: readonly number[],
): OuterRow {
  return { ...subject, ms: median(ms), leastMs: Math.min(...ms), mostMs: Math.max(...ms), runs: ms.length }
}
