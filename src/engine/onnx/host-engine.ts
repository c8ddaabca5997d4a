// The compiled engine of the CPU: its state lies in this process's memory, where programs and kernels work on it.
import type { AdamwOptions } from '../../model/adamw.js'
import type { Engine } from '../engine.js'
import { checkFlatBuffers, FlatBuffers } from './flat-buffers.js'
import { compileFlatKernels } from './flat-kernels.js'
import { HostInference } from './host-inference.js'
import { HostPrograms } from './host-programs.js'
import { buffersFor, HostTraining } from './host-training.js'
import type { Model } from './programs.js'
import { loadRuntime } from './runtime.js'

/**
 * @param microBatch rows of a batch taken at once, at most
 * @throws UserError where ONNX Runtime does not load, or the model is too large for it
 */
export async function hostEngine(
  model: Model,
  options: AdamwOptions,
  threads: number,
  microBatch = Number.POSITIVE_INFINITY,
): Promise<Engine> {
  const count = buffersFor(microBatch)
  checkFlatBuffers(model.layout, count)
  const programs = new HostPrograms(await loadRuntime(), model, threads, microBatch)
  const kernels = await compileFlatKernels()
  // A round's buffers serve the next one: they are large, and their pages are warm.
  const free: FlatBuffers[] = []
  return {
    name: 'onnx-cpu',
    reason: '',
    threads,
    train: (theta, inner) => {
      const buffers = free.pop() ?? new FlatBuffers(model.layout, count, kernels)
      return new HostTraining(programs, options, buffers, (given) => free.push(given), theta, inner)
    },
    infer: (theta) => new HostInference(programs, theta),
  }
}
