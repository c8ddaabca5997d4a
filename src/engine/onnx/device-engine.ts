// The compiled engine of a GPU.
import type { AdamwOptions } from '../../model/adamw.js'
import type { Engine } from '../engine.js'
import { DeviceInference } from './device-inference.js'
import { DevicePrograms } from './device-programs.js'
import { DeviceTraining } from './device-training.js'
import type { Model } from './programs.js'
import { loadRuntime } from './runtime.js'

/**
 * @param device which of several GPUs, for CUDA
 * @param microBatch sequences taken at once, at most
 */
export async function deviceEngine(
  provider: 'webgpu' | 'cuda',
  model: Model,
  options: AdamwOptions,
  device: number,
  microBatch = Number.POSITIVE_INFINITY,
): Promise<Engine> {
  const programs = new DevicePrograms(await loadRuntime(), provider, device, model, options, microBatch)
  return {
    name: `onnx-${provider}`,
    reason: provider === 'cuda' ? `GPU ${device}` : '',
    // The GPU computes: this thread only tells it what.
    threads: 1,
    train: (theta, inner) => new DeviceTraining(programs, theta, inner),
    infer: (theta) => new DeviceInference(programs, theta),
  }
}
