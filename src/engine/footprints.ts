// What training a model takes on each engine: which buffers there are, and how its activations are known beforehand.
import type { Layout } from '../tensor/layout.js'
import { eagerPeakBytes } from './eager-memory.js'
import type { StepSettings } from './eager-step.js'
import type { Footprint } from './memory-plan.js'
import { peakBytes } from './onnx/liveness.js'
import { lowerForCpu } from './onnx/lower-cpu.js'
import { lowerForCuda, lowerForWebgpu } from './onnx/lower-gpu.js'
import { type Model, traceGradient, traceStep } from './onnx/programs.js'

/** What is trained, and how. */
type TrainedModel = Omit<StepSettings, 'microBatch'>

/** By the engine's name; on a GPU's engine it is the GPU's memory. */
export function footprintOf(engine: string, settings: TrainedModel): Footprint {
  switch (engine) {
    case 'onnx-cpu':
      return hostFootprint(settings)
    case 'onnx-webgpu':
    case 'onnx-cuda':
      return deviceFootprint(settings, engine === 'onnx-cuda' ? lowerForCuda : lowerForWebgpu)
    default:
      return eagerFootprint(settings)
  }
}

/**
 * At the end of a round, in this process: parameters as given, as trained and read back; moments as trained, of this
 * round and the last one, read back, handed over, and those that wait for the garbage collector; the gradient and the
 * pseudo-gradient.
 */
const ROUND = { parameters: 3, optimizer: 12, gradient: 2 }

/** ONNX Runtime's allocator cuts its memory into pieces that do not always fit: measured 1.10 to 1.17. */
const ALLOCATOR_OVERHEAD = 1.15

/** ONNX Runtime itself, its compiled programs and their threads: measured 43 to 90 MB. */
const COMPILED_RUNTIME = 80e6

/** Buffers in this process, and what ONNX Runtime holds while it computes the gradient. */
function hostFootprint(model: Model): Footprint {
  return {
    buffer: bufferBytes(model.layout),
    buffers: ROUND,
    runtime: COMPILED_RUNTIME,
    keepsEachSize: true,
    activations: remembered(async (rows) => {
      const { graph } = lowerForCpu(await traceGradient(model, rows))
      return peakBytes(graph) * ALLOCATOR_OVERHEAD
    }),
  }
}

/** A step's state before and after it, on the device, and what the whole step computes in between. */
function deviceFootprint(settings: TrainedModel, lower: typeof lowerForWebgpu): Footprint {
  const { options } = settings
  return {
    buffer: bufferBytes(settings.layout),
    buffers: { parameters: 2, optimizer: 4, gradient: 0 },
    runtime: COMPILED_RUNTIME,
    keepsEachSize: true,
    activations: remembered(async (rows) => {
      return peakBytes(lower(await traceStep(settings, rows, options))) * ALLOCATOR_OVERHEAD
    }),
  }
}

/** Scratch space of kernels, and what a growing WebAssembly memory takes ahead: measured up to 70 MB. */
const EAGER_RUNTIME = 80e6

/** Every tensor of a step, from the gradient's to AdamW's. */
function eagerFootprint(settings: TrainedModel): Footprint {
  return {
    buffer: bufferBytes(settings.layout),
    buffers: { ...ROUND, gradient: 1 },
    runtime: EAGER_RUNTIME,
    keepsEachSize: false,
    activations: remembered((rows) => eagerPeakBytes(settings, rows)),
  }
}

const bufferBytes = ({ size }: Layout): number => size * Float32Array.BYTES_PER_ELEMENT

/** Computes once for each number of rows. */
function remembered(compute: (rows: number) => Promise<number>): (rows: number) => Promise<number> {
  const known = new Map<number, Promise<number>>()
  return (rows) => {
    const found = known.get(rows) ?? compute(rows)
    known.set(rows, found)
    return found
  }
}
