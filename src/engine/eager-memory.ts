// What tensors take at most while an eager engine takes a step: the step is run on tensors that have a size and no
// values, and that live and die as TensorFlow.js lets them.
import * as tf from '@tensorflow/tfjs-core'
import { eagerStep, type StepSettings } from './eager-step.js'
import { TRACE_BACKEND, TracingBackend } from './trace/backend.js'
import { fused } from './trace/fused.js'
import { GraphBuilder, type Value } from './trace/graph.js'
import { trace } from './trace/trace.js'

const SIZES_BACKEND = 'sizes'

/** Kernels record operators here too: what is asked is the size of their tensors. */
class SizesBackend extends TracingBackend {
  peak = 0

  override tensorOf(value: Value): tf.TensorInfo {
    const tensor = super.tensorOf(value)
    const bytes = tf.util.sizeFromShape(tensor.shape) * tf.util.bytesPerElement(tensor.dtype)
    this.peak = Math.max(this.peak, tf.memory().numBytes + bytes)
    return tensor
  }
}

/** Bytes at the peak of one step whose gradient is that of `rows` sequences at once, besides parameters and moments. */
export async function eagerPeakBytes(
  settings: Omit<StepSettings, 'microBatch'>,
  rows: number,
): Promise<number> {
  const backend = await sizesBackend()
  const previous = tf.getBackend()
  await tf.setBackend(SIZES_BACKEND)
  backend.graph = new GraphBuilder()
  tf.engine().startScope()
  try {
    const flat = () => tensorOfZeros<tf.Tensor1D>(backend, [settings.layout.size])
    const scalar = () => tensorOfZeros<tf.Scalar>(backend, [])
    const state = { theta: flat(), m: flat(), v: flat() }
    const scalars = { learningRate: scalar(), correction1: scalar(), correction2: scalar() }
    const held = tf.memory().numBytes
    backend.peak = held
    const tokens = new Int32Array(rows * (settings.config.context + 1))
    eagerStep({ ...state, ...scalars }, tokens, { ...settings, microBatch: rows })
    return backend.peak - held
  } finally {
    tf.engine().endScope()
    await tf.setBackend(previous)
  }
}

function tensorOfZeros<T extends tf.Tensor>(backend: SizesBackend, shape: number[]): T {
  const value = backend.graph.uniform(0, { type: 'float32', shape })
  return tf.engine().makeTensorFromTensorInfo(backend.tensorOf(value)) as T
}

let sizes: SizesBackend | null = null

async function sizesBackend(): Promise<SizesBackend> {
  if (sizes !== null) return sizes
  const backend = new SizesBackend()
  // A trace of nothing registers the kernels.
  await trace({}, () => ({}))
  tf.registerBackend(SIZES_BACKEND, () => backend, 0)
  tf.copyRegisteredKernels(TRACE_BACKEND, SIZES_BACKEND)
  // Eager engines do not have these.
  for (const name of Object.keys(fused)) tf.unregisterKernel(name, SIZES_BACKEND)
  sizes = backend
  return backend
}
