// One engine in a process of its own: takes training steps as a peer does, and times them.
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { UserError } from '../core/user-error.js'
import { type Engine, isFiniteStep, type TrainingSession } from '../engine/engine.js'
import { openEngine } from '../engine/open-engine.js'
import type { ModelConfig } from '../model/config.js'
import { initialParameters } from '../model/parameters.js'
import { innerSchema } from '../swarmfile/schema.js'
import { serve } from './serve.js'

const LEARNING_RATE = 3e-4

await serve(async () => {
  const { choice, model, batch } = readArguments()
  const engine = await openEngine(choice, { config: model, options: innerSchema.parse({}), batch })
  let session: TrainingSession | null = null
  return {
    ready: { engine: engine.name, reason: engine.reason, threads: engine.threads },
    handlers: {
      steps: async ({ count }) => {
        if (session === null) {
          session = newSession(engine, model)
          // The session has copies: what it was given is no part of what the engine needs.
          globalThis.gc?.()
        }
        const ms: number[] = []
        for (let step = 0; step < count; step++) ms.push(await timedStep(session, model, batch))
        return { ms }
      },
      memory: async () => ({ peakBytes: peakResidentBytes() }),
    },
  }
})

function readArguments() {
  const number = { type: 'string' } as const
  const { values } = parseArgs({
    options: {
      engine: { type: 'string' },
      device: number,
      threads: number,
      batch: number,
      width: number,
      layers: number,
      heads: number,
      'head-size': number,
      context: number,
      vocabulary: number,
    },
  })
  return {
    choice: {
      engine: String(values.engine),
      device: values.device === undefined ? null : Number(values.device),
      threads: Number(values.threads),
    },
    model: {
      width: Number(values.width),
      layers: Number(values.layers),
      heads: Number(values.heads),
      headSize: Number(values['head-size']),
      context: Number(values.context),
      vocabulary: Number(values.vocabulary),
    },
    batch: Number(values.batch),
  }
}

function newSession(engine: Engine, model: ModelConfig): TrainingSession {
  const theta = initialParameters(model, 0)
  const zeros = () => new Float32Array(theta.length)
  return engine.train(theta, { m: zeros(), v: zeros(), updates: 0 })
}

async function timedStep(session: TrainingSession, model: ModelConfig, batch: number): Promise<number> {
  const length = batch * (model.context + 1)
  const tokens = Int32Array.from({ length }, () => Math.floor(Math.random() * model.vocabulary))
  const start = performance.now()
  const metrics = await session.step(tokens, LEARNING_RATE)
  const ms = performance.now() - start
  if (isFiniteStep(metrics)) return ms
  throw new UserError(
    'engine',
    `a step has loss ${metrics.loss} and a gradient of norm ${metrics.norm}`,
    'measure another engine, and report this one',
  )
}

/** getrusage has the peak too, but there a process inherits what its parent was. */
function peakResidentBytes(): number {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS * 1024
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  return Number(kilobytes) * 1024
}
