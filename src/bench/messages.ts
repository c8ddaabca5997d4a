// What a measured process and the bench tell each other: JSON, a line each way, the same for every contestant.
import { z } from 'zod'

/** `steps` takes training steps, each timed; `sgemm` multiplies square matrices; `memory` asks for the peak. */
export const requestSchema = z.discriminatedUnion('run', [
  z.object({ run: z.literal('steps'), count: z.number().int().positive() }),
  z.object({ run: z.literal('sgemm'), size: z.number().int().positive() }),
  z.object({ run: z.literal('memory') }),
])
export type Request = z.infer<typeof requestSchema>

const milliseconds = z.number().positive()

/** Answers by request. */
export const answerSchemas = {
  steps: z.object({ ms: z.array(milliseconds) }),
  sgemm: z.object({ gflops: z.number().positive() }),
  memory: z.object({ peakBytes: z.number().int().nonnegative().nullable() }),
} as const
export type Answers = { [Run in Request['run']]: z.infer<(typeof answerSchemas)[Run]> }

/** The first line of an engine's process. */
export const engineReadySchema = z.object({
  ready: z.literal(true),
  engine: z.string(),
  reason: z.string(),
  threads: z.number().int().positive(),
})

/** The first line of the process that multiplies matrices with ONNX Runtime. */
export const productsReadySchema = z.object({ ready: z.literal(true) })

/** The first line of PyTorch's process. */
export const torchReadySchema = z.object({
  ready: z.literal(true),
  torch: z.string(),
  device: z.string(),
  blas: z.string(),
  parameters: z.number().int().positive(),
})

/** In place of an answer, before the process ends. */
export const errorSchema = z.object({ error: z.string(), remedy: z.string().optional() })
