// Where a run's parameters begin: at random ones of the run's seed, or at a checkpoint.
import { stat } from 'node:fs/promises'
import { UserError } from '../core/user-error.js'
import type { ModelConfig } from '../model/config.js'
import { layoutOf } from '../model/parameters.js'
import type { Trainer } from '../ports/trainer.js'
import { latestCheckpoint, loadCheckpoint } from '../store/checkpoints.js'
import { runPaths } from '../store/run-paths.js'

/** @param from run folder or safetensors file (`run.warmStart`) @throws UserError if there is nothing to start from */
export async function initialParameters(
  from: string | undefined,
  model: ModelConfig,
  trainer: Trainer,
): Promise<Float32Array> {
  if (from === undefined) return trainer.initial()
  const { theta } = await loadCheckpoint(await checkpointAt(from), () => layoutOf(model))
  return theta
}

async function checkpointAt(from: string): Promise<string> {
  const found = await stat(from).catch(() => null)
  const path = found?.isDirectory() ? await latestCheckpoint(runPaths(from).checkpoints) : from
  if (found !== null && path !== null) return path
  throw new UserError(
    'config',
    `run.warmStart: there is no checkpoint at ${from}`,
    'give a run folder that has checkpoints, or a safetensors file',
  )
}
