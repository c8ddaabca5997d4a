// The model that a run left behind: parameters and sizes from its newest checkpoint.
import { existsSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { z } from 'zod'
import { UserError } from '../core/user-error.js'
import { openTokenizer, type Tokenizer } from '../data/tokenizer.js'
import { openTrainer } from '../engine/thread-trainer.js'
import { resolveModel } from '../model/config.js'
import { layoutOf } from '../model/parameters.js'
import type { TokenSplit, Trainer, TrainerSetup } from '../ports/trainer.js'
import { type CheckpointMetadata, latestCheckpoint, loadCheckpoint } from '../store/checkpoints.js'
import { runPaths } from '../store/run-paths.js'
import { dataSchema, innerSchema, type ModelChoice, modelSchema } from '../swarmfile/schema.js'
import { deviceOf, type EngineOptions } from './run-options.js'

export interface TrainedModel {
  readonly path: string
  readonly theta: Float32Array
  readonly model: ModelChoice
  readonly tokenizer: Tokenizer
  readonly version: number
}

/** Loads the newest checkpoint of a run folder, or the given safetensors file. Throws a `UserError` where there is none. */
export async function loadTrainedModel(place: string): Promise<TrainedModel> {
  const path = await checkpointPath(place)
  const { theta, metadata } = await loadCheckpoint(path, (found) => {
    const { model, tokenizer } = contentOf(found, path)
    return layoutOf(resolveModel(model, tokenizer.vocabulary))
  })
  return { path, theta, ...contentOf(metadata, path) }
}

/**
 * Opens an engine on the model with `heldOut` as the text that `evaluate` measures.
 * @param warn is told when the engine fails and another takes its place
 */
export function openTrained(
  { model, tokenizer }: TrainedModel,
  options: EngineOptions,
  heldOut: Uint16Array,
  warn: (message: string) => void,
): Promise<Trainer> {
  const tokens: TokenSplit = { train: new Uint16Array(0), heldOut, vocabulary: tokenizer.vocabulary }
  const setup: TrainerSetup = {
    model,
    inner: innerSchema.parse({}),
    seed: 0,
    tokens,
    shards: 1,
    scheduleSteps: [1],
    engine: options.engine,
    device: deviceOf(options),
    threads: availableParallelism(),
    slowdown: 1,
  }
  return openTrainer(setup, warn)
}

async function checkpointPath(place: string): Promise<string> {
  if (!existsSync(place))
    throw new UserError(
      'storage',
      `there is no run folder ${place}`,
      'give the folder that the run printed at its end, as in runs/trio',
    )
  if (!statSync(place).isDirectory()) return place
  const path = await latestCheckpoint(runPaths(place).checkpoints)
  if (path !== null) return path
  throw new UserError(
    'storage',
    `the run in ${place} has no checkpoint yet`,
    'resume it and let it go on, or write checkpoints more often: --set run.checkpoints.everyVersions=4',
  )
}

// The vocabulary written beside the sizes is the tokenizer's.
const checkpointModelSchema = modelSchema
  .extend({ vocabulary: z.number().optional() })
  .transform(({ vocabulary: _, ...model }): ModelChoice => model)

/** What a checkpoint says of itself: which model it holds, how text becomes its tokens. */
function contentOf(
  metadata: CheckpointMetadata | null,
  path: string,
): Pick<TrainedModel, 'model' | 'tokenizer' | 'version'> {
  const model = checkpointModelSchema.safeParse(metadata?.model)
  const tokenizer = dataSchema.shape.tokenizer.safeParse(metadata?.tokenizer)
  if (metadata !== null && model.success && tokenizer.success)
    return { model: model.data, tokenizer: openTokenizer(tokenizer.data), version: metadata.version }
  throw new UserError(
    'storage',
    `${path} does not say which model it holds`,
    'give a checkpoint that skein wrote; model and tokenizer are in its metadata',
  )
}
