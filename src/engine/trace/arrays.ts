// Kernels that move elements: reshape, transpose, slice, join, gather, scatter.
import * as tf from '@tensorflow/tfjs-core'
import { elementTypeOf } from './backend.js'
import { sizeOf, type Value } from './graph.js'
import { axesOf, type Inputs, type KernelRecorder, refuse } from './kernel.js'
import type { Recording } from './recording.js'

export const arrays: Readonly<Record<string, KernelRecorder>> = {
  Reshape: (record, { x }, attrs) => {
    const { shape } = attrs as unknown as tf.ReshapeAttrs
    return record.reshape(x, tf.util.inferFromImplicitShape(shape, sizeOf(x.shape)))
  },
  ExpandDims: (record, { input }, attrs) => {
    const { dim } = attrs as unknown as tf.ExpandDimsAttrs
    const shape = [...input.shape]
    shape.splice(dim < 0 ? dim + shape.length + 1 : dim, 0, 1)
    return record.reshape(input, shape)
  },
  Transpose: (record, { x }, attrs) => {
    const { perm } = attrs as unknown as tf.TransposeAttrs
    const shape = perm.map((axis) => x.shape[axis])
    if (movesNothing(x.shape, perm)) return record.reshape(x, shape)
    return record.one('Transpose', [x], shape, { perm })
  },
  Slice: (record, { x }, attrs) => {
    const { begin, size } = attrs as unknown as tf.SliceAttrs
    const [start, extent] = tf.slice_util.parseSliceParams({ shape: x.shape } as tf.Tensor, begin, size)
    return slice(record, x, start, extent)
  },
  Concat: (record, inputs, attrs) => {
    const values = Object.values(inputs)
    const axis = axesOf((attrs as unknown as tf.ConcatAttrs).axis, values[0])[0]
    return concat(record, values, axis)
  },
  Pack: (record, inputs, attrs) => {
    const { axis: along } = attrs as unknown as tf.PackAttrs
    const axis = along < 0 ? along + inputs[0].shape.length + 1 : along
    const values = Object.values(inputs).map((value) => {
      const shape = [...value.shape]
      shape.splice(axis, 0, 1)
      return record.reshape(value, shape)
    })
    return concat(record, values, axis)
  },
  SplitV: (record, { x }, attrs) => {
    const { numOrSizeSplits, axis: along } = attrs as unknown as tf.SplitVAttrs
    const axis = axesOf(along, x)[0]
    const sizes = tf.backend_util.prepareSplitSize({ shape: x.shape } as tf.Tensor, numOrSizeSplits, axis)
    const outputs = sizes.map((extent) => ({ type: x.type, shape: x.shape.with(axis, extent) }))
    return record.graph.node('Split', [record.full(x), record.int64(sizes)], { axis }, outputs)
  },
  Tile: (record, { x }, attrs) => {
    const { reps } = attrs as unknown as tf.TileAttrs
    return record.one(
      'Tile',
      [x, record.int64(reps)],
      x.shape.map((extent, axis) => extent * reps[axis]),
    )
  },
  PadV2: (record, { x }, attrs) => {
    const { paddings, constantValue } = attrs as unknown as tf.PadV2Attrs
    const pads = [...paddings.map(([before]) => before), ...paddings.map(([, after]) => after)]
    const shape = x.shape.map((extent, axis) => extent + paddings[axis][0] + paddings[axis][1])
    return record.one('Pad', [x, record.int64(pads), record.scalar(constantValue, x.type)], shape)
  },
  GatherV2: (record, { x, indices }, attrs) => {
    const { axis, batchDims } = attrs as unknown as tf.GatherV2Attrs
    if (batchDims !== 0) refuse('GatherV2', 'with batch dimensions')
    const along = axesOf(axis, x)[0]
    const shape = [...x.shape.slice(0, along), ...indices.shape, ...x.shape.slice(along + 1)]
    return record.one('Gather', [x, indices], shape, { axis: along })
  },
  GatherNd: (record, { params, indices }) => {
    const depth = indices.shape.at(-1)!
    const shape = [...indices.shape.slice(0, -1), ...params.shape.slice(depth)]
    return record.one('GatherND', [params, asInt64(record, indices)], shape, {}, params.type)
  },
  ScatterNd: scatterRows,
  TensorScatterUpdate: (record, { tensor, indices, updates }) => {
    return record.one('ScatterND', [tensor, asInt64(record, indices), updates], tensor.shape)
  },
  OneHot: (record, { indices }, attrs) => {
    const { depth, onValue, offValue, dtype } = attrs as unknown as tf.OneHotAttrs
    const type = elementTypeOf(dtype)
    const classes = record.graph.constant(
      Int32Array.from({ length: depth }, (_, i) => i),
      {
        type: 'int32',
        shape: [depth],
      },
    )
    const hit = record.binary('Equal', record.reshape(indices, [...indices.shape, 1]), classes, 'bool')
    const [on, off] = [onValue, offValue].map((value) => record.scalar(value, type))
    return record.one('Where', [hit, on, off], hit.shape, {}, type)
  },
}

export function slice(record: Recording, x: Value, begin: readonly number[], size: readonly number[]): Value {
  const axes = [...x.shape.keys()].filter((axis) => size[axis] !== x.shape[axis])
  if (axes.length === 0) return x
  if (x.source.kind === 'uniform') return record.graph.uniform(x.source.value, { type: x.type, shape: size })
  const [starts, ends] = [axes.map((axis) => begin[axis]), axes.map((axis) => begin[axis] + size[axis])]
  return record.one('Slice', [x, record.int64(starts), record.int64(ends), record.int64(axes)], size)
}

export function concat(record: Recording, values: readonly Value[], axis: number): Value {
  const present = values.filter((value) => sizeOf(value.shape) > 0)
  if (present.length === 1) return present[0]
  const shape = [...present[0].shape]
  shape[axis] = present.reduce((sum, value) => sum + value.shape[axis], 0)
  return record.one('Concat', present, shape, { axis })
}

/** Only axes of size 1 change places. */
function movesNothing(shape: readonly number[], perm: readonly number[]): boolean {
  const moved = perm.filter((axis) => shape[axis] !== 1)
  return moved.every((axis, i) => i === 0 || moved[i - 1] < axis)
}

/** ids [N], rows [N, D] to [V, D]: zeros to which row n is added at ids[n]. Of domain `trace`. */
export const SCATTER_ADD = 'ScatterAdd'

/** Zeros to which row n of `updates` is added at `indices[n]`; every provider has its own way, see scatter.ts. */
function scatterRows(record: Recording, { indices, updates }: Inputs, attrs: tf.NamedAttrMap): Value {
  const { shape } = attrs as unknown as tf.ScatterNdAttrs
  if (indices.shape.length !== 2 || indices.shape[1] !== 1 || shape.length !== 2) {
    refuse(
      'ScatterNd',
      `of indices [${indices.shape}] into [${shape}]: rows by one index each are all it takes`,
    )
  }
  if (updates.type !== 'float32') refuse('ScatterNd', `of ${updates.type} rows`)
  const ids = record.reshape(indices, [indices.shape[0]])
  return record.one(SCATTER_ADD, [ids, updates], shape, {}, 'float32', 'trace')
}

export function asInt64(record: Recording, indices: Value): Value {
  return record.one('Cast', [indices], indices.shape, { to: 7 }, 'int64')
}
