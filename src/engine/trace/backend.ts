// A TensorFlow.js backend whose tensors are symbolic: it computes nothing and remembers what is to be computed.
import * as tf from '@tensorflow/tfjs-core'
import { type ElementArray, type ElementType, GraphBuilder, TraceError, type Value } from './graph.js'

export const TRACE_BACKEND = 'trace'

export class TracingBackend extends tf.KernelBackend {
  /** The graph of the trace under way. */
  graph = new GraphBuilder()
  readonly #values = new WeakMap<tf.DataId, Value>()

  /** The value of a tensor that a kernel is given. */
  recorded({ dataId, shape }: tf.TensorInfo): Value {
    const value = this.#values.get(dataId)
    if (value === undefined) {
      throw new TraceError(`a tensor of shape [${shape}] was made before the trace: hand it in as an input`)
    }
    return value
  }

  /** The tensor that a kernel gives back. */
  tensorOf(value: Value): tf.TensorInfo {
    const dataId = {}
    this.#values.set(dataId, value)
    return { dataId, shape: [...value.shape], dtype: dtypeOf(value.type) }
  }

  /** tf.tensor and its like: their values become constants. */
  override write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): tf.DataId {
    const data = constantData(values, dtype)
    const spec = { type: elementTypeOf(dtype), shape }
    const first = data.length > 0 ? Number(data[0]) : 0
    const uniform = dtype === 'float32' && data.every((element: number | bigint) => element === first)
    const value = uniform ? this.graph.uniform(first, spec) : this.graph.constant(data, spec)
    return this.tensorOf(value).dataId
  }

  override readSync(): never {
    throw new TraceError(
      'data-dependent control flow: the program reads the value of a tensor that has none until the graph runs; ' +
        'use tf.where, or hand the value in as an input',
    )
  }
  override read(): never {
    return this.readSync()
  }

  override move(dataId: tf.DataId, values: tf.BackendValues, shape: number[], dtype: tf.DataType): void {
    const value = this.#values.get(this.write(values, shape, dtype))
    if (value !== undefined) this.#values.set(dataId, value)
  }

  // A value lives as long as its graph: references need not be counted.
  override disposeData(): boolean {
    return true
  }
  override refCount(): number {
    return 1
  }
  override incRef(): void {}
  decRef(): void {}
  override numDataIds(): number {
    return 0
  }
  override memory(): { unreliable: boolean } {
    return { unreliable: true }
  }
  override floatPrecision(): 32 {
    return 32
  }
  override epsilon(): number {
    return 1e-7
  }
}

export function elementTypeOf(dtype: tf.DataType): ElementType {
  if (dtype === 'float32' || dtype === 'int32' || dtype === 'bool') return dtype
  throw new TraceError(`tensors of type ${dtype} cannot be compiled`)
}

function dtypeOf(type: ElementType): tf.DataType {
  if (type === 'int64') throw new TraceError('int64 stays inside a kernel')
  return type
}

function constantData(values: tf.BackendValues, dtype: tf.DataType): ElementArray {
  const numbers = values as ArrayLike<number>
  switch (elementTypeOf(dtype)) {
    case 'float32':
      return Float32Array.from(numbers)
    case 'int32':
      return Int32Array.from(numbers)
    default:
      return Uint8Array.from(numbers)
  }
}
