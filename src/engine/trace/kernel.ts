// How kernels are registered: each tells what graph operators it records.
import * as tf from '@tensorflow/tfjs-core'
import { TRACE_BACKEND, type TracingBackend } from './backend.js'
import { TraceError, type Value } from './graph.js'
import { Recording } from './recording.js'

/** Inputs by name or, for kernels that take a list, by position. */
export type Inputs = Readonly<Record<string, Value>>
export type KernelRecorder = (
  record: Recording,
  inputs: Inputs,
  attrs: tf.NamedAttrMap,
) => Value | readonly Value[]

/** Registers kernels of the tracing backend. */
export function register(kernels: Readonly<Record<string, KernelRecorder>>): void {
  for (const [kernelName, recordKernel] of Object.entries(kernels)) {
    if (tf.getKernel(kernelName, TRACE_BACKEND) != null) continue
    const kernelFunc: tf.KernelFunc = ({ inputs, backend, attrs }) => {
      const tracing = backend as TracingBackend
      // Optional inputs may be given as undefined.
      const given = Object.entries(inputs).filter(([, tensor]) => tensor != null)
      const values = given.map(([name, tensor]) => {
        const value = tracing.recorded(tensor as tf.TensorInfo)
        return [name, value] as const
      })
      const recording = new Recording(tracing.graph)
      const result = recordKernel(recording, Object.fromEntries(values), attrs ?? {})
      return Array.isArray(result)
        ? result.map((value) => tracing.tensorOf(value))
        : tracing.tensorOf(result as Value)
    }
    tf.registerKernel({ kernelName, backendName: TRACE_BACKEND, kernelFunc })
  }
}

/** Axes as non-negative numbers. */
export function axesOf(axis: unknown, x: Value): number[] {
  return tf.util.parseAxisParam(axis as number | number[], [...x.shape])
}

export function refuse(kernel: string, why: string): never {
  throw new TraceError(`${kernel} cannot be compiled ${why}`)
}
