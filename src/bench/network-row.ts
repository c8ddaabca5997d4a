// One measured value of `skein bench network`, and what it is compared with.
import { z } from 'zod'

export const networkRowSchema = z.strictObject({
  name: z.string().describe('What was measured, and how.'),
  value: z.number(),
  unit: z.string(),
  ideal: z.number().nullable().describe('What nothing could be better than, or what it is compared with.'),
  ratio: z.number().nullable().describe('value / ideal.'),
})
export type NetworkRow = z.infer<typeof networkRowSchema>

export const networkRow = (name: string, value: number, unit: string, ideal: number | null): NetworkRow => ({
  name,
  value,
  unit,
  ideal,
  ratio: ideal === null || ideal === 0 ? null : value / ideal,
})
