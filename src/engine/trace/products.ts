// Kernels that reduce: sums, means, extremes, softmax, matrix products.
import type * as tf from '@tensorflow/tfjs-core'
import { onnxType } from './elementwise.js'
import type { Value } from './graph.js'
import { axesOf, type KernelRecorder, refuse } from './kernel.js'
import type { Recording } from './recording.js'
import { broadcastShape, reducedShape } from './shapes.js'

export const products: Readonly<Record<string, KernelRecorder>> = {
  Sum: (record, { x }, attrs) => {
    const { axis, keepDims } = attrs as unknown as tf.SumAttrs
    return reduce(record, 'ReduceSum', x, axesOf(axis, x), keepDims)
  },
  Mean: (record, { x }, attrs) => {
    const { axis, keepDims } = attrs as unknown as tf.MeanAttrs
    const terms =
      x.type === 'float32' ? x : record.one('Cast', [x], x.shape, { to: onnxType.float32 }, 'float32')
    return reduce(record, 'ReduceMean', terms, axesOf(axis, x), keepDims)
  },
  Max: (record, { x }, attrs) => {
    const { reductionIndices, keepDims } = attrs as unknown as tf.MaxAttrs
    return reduce(record, 'ReduceMax', x, axesOf(reductionIndices, x), keepDims)
  },
  Min: (record, { x }, attrs) => {
    const { axis, keepDims } = attrs as unknown as tf.MinAttrs
    return reduce(record, 'ReduceMin', x, axesOf(axis, x), keepDims)
  },
  Softmax: (record, { logits }, attrs) => {
    const axis = axesOf((attrs as unknown as tf.SoftmaxAttrs).dim, logits)[0]
    return record.one('Softmax', [logits], logits.shape, { axis })
  },
  BatchMatMul: (record, { a, b }, attrs) => {
    const { transposeA, transposeB } = attrs as unknown as tf.BatchMatMulAttrs
    return matMul(record, a, b, transposeA, transposeB)
  },
  _FusedMatMul: (record, inputs, attrs) => {
    const { transposeA, transposeB, activation } = attrs as unknown as tf._FusedMatMulAttrs
    if (activation !== 'linear') refuse('_FusedMatMul', `with the activation ${activation}`)
    const product = matMul(record, inputs.a, inputs.b, transposeA, transposeB)
    return inputs.bias === undefined ? product : record.binary('Add', product, inputs.bias)
  },
}

function reduce(
  record: Recording,
  operator: string,
  x: Value,
  axes: readonly number[],
  keepDims: boolean,
): Value {
  const shape = reducedShape(x.shape, axes, keepDims ?? false)
  if (axes.every((axis) => x.shape[axis] === 1)) return record.reshape(x, shape)
  const attributes = { keepdims: keepDims ? 1 : 0 }
  return record.one(operator, [x, record.int64(axes)], shape, attributes)
}

/** Batched product; inner transposes are the operator's own, so that none is written out. */
function matMul(record: Recording, a: Value, b: Value, transposeA: boolean, transposeB: boolean): Value {
  const rows = a.shape.at(transposeA ? -1 : -2)!
  const columns = b.shape.at(transposeB ? -2 : -1)!
  if (a.shape.at(transposeA ? -2 : -1) !== b.shape.at(transposeB ? -1 : -2)) {
    refuse('BatchMatMul', `of [${a.shape}] and [${b.shape}]: their inner sizes differ`)
  }
  const batch = broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2))
  const shape = [...batch, rows, columns]
  if (!transposeA && !transposeB) return record.one('MatMul', [a, b], shape)
  const attributes = { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 }
  return record.one('FusedMatMul', [a, b], shape, attributes, a.type, 'com.microsoft')
}
