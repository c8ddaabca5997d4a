// A row of `skein bench codec`: one figure of one codec.
import { z } from 'zod'

export const codecRowSchema = z.strictObject({
  name: z.string().describe('The codec, and what of it: encode, decode, size or error.'),
  value: z.number().nonnegative().describe('Of speeds the median.'),
  unit: z.enum(['GB/s', 'bytes/parameter', 'of the norm']).describe('GB/s: of fp32, in one thread.'),
  ideal: z
    .number()
    .positive()
    .nullable()
    .describe('What is wanted of a speed; bits of the codes alone of a size.'),
  ratio: z.number().nonnegative().nullable().describe('value / ideal'),
})
export type CodecRow = z.infer<typeof codecRowSchema>

export function codecRow(
  name: string,
  value: number,
  unit: CodecRow['unit'],
  ideal: number | null = null,
): CodecRow {
  return { name, value, unit, ideal, ratio: ideal === null ? null : value / ideal }
}
