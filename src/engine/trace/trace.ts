// Records a TensorFlow.js program as a graph: `trace(inputs, program)` runs it once, on symbols.
import * as tf from '@tensorflow/tfjs-core'
import { arrays } from './arrays.js'
import { elementTypeOf, TRACE_BACKEND, TracingBackend } from './backend.js'
import { elementwise } from './elementwise.js'
import { fused } from './fused.js'
import { type Graph, GraphBuilder, TraceError } from './graph.js'
import { register } from './kernel.js'
import { products } from './products.js'
import { Recording } from './recording.js'

export interface TensorSpec {
  readonly shape: readonly number[]
  readonly dtype: 'float32' | 'int32'
}

/** Tensors by name. */
export type Tensors = Readonly<Record<string, tf.Tensor>>

/**
 * Shapes are fixed; whatever the program computes in plain numbers becomes part of the graph.
 * @param inputs what the graph is to be fed, by name
 * @param program makes its outputs of them; it may take gradients, and must not read a tensor's value
 * @returns the graph of the outputs, by their names
 * @throws TraceError for operations outside the allow-list, and for control flow that depends on data
 */
export async function trace(
  inputs: Readonly<Record<string, TensorSpec>>,
  program: (tensors: Tensors) => Tensors,
): Promise<Graph> {
  const backend = tracingBackend()
  // Undefined where no backend was chosen yet.
  const previous: string | undefined = tf.getBackend()
  // It takes effect at once, and nothing is awaited until it is taken back: traces cannot get in each other's way.
  const chosen = tf.setBackend(TRACE_BACKEND)
  backend.graph = new GraphBuilder()
  tf.engine().startScope()
  try {
    const named = Object.entries(inputs).map(([name, { shape, dtype }]) => {
      const value = backend.graph.input(name, { type: elementTypeOf(dtype), shape })
      return { name, value, tensor: tf.engine().makeTensorFromTensorInfo(backend.tensorOf(value)) }
    })
    const results = program(Object.fromEntries(named.map(({ name, tensor }) => [name, tensor])))
    const recording = new Recording(backend.graph)
    const outputs = Object.entries(results).map(([name, tensor]) => {
      return { name, value: recording.full(backend.recorded(tensor)) }
    })
    refuseSharedNames(inputs, results)
    return backend.graph.finish(named, outputs)
  } catch (error) {
    throw explained(error as Error)
  } finally {
    tf.engine().endScope()
    if (previous !== undefined) await tf.setBackend(previous)
    await chosen
  }
}

let tracing: TracingBackend | null = null

function tracingBackend(): TracingBackend {
  if (tracing !== null) return tracing
  const backend = new TracingBackend()
  tf.registerBackend(TRACE_BACKEND, () => backend, 0)
  register({ ...elementwise, ...arrays, ...products, ...fused })
  tracing = backend
  return backend
}

function refuseSharedNames(inputs: object, outputs: object): void {
  const shared = Object.keys(outputs).filter((name) => name in inputs)
  if (shared.length > 0) throw new TraceError(`inputs and outputs share the names ${shared.join(', ')}`)
}

/** TensorFlow.js's own words for a kernel that a backend lacks. */
const MISSING = /Kernel '(.+)' not registered for backend 'trace'/

function explained(error: Error): Error {
  const kernel = MISSING.exec(error.message)?.[1]
  if (kernel === undefined) return error
  const remedy = 'write it in other operations, or add the kernel to src/engine/trace'
  return new TraceError(`the operation ${kernel} cannot be compiled: ${remedy}`)
}
