// Every kernel of the tracer's allow-list: compiled, it gives what the cpu backend of TensorFlow.js gives.
import assert from 'node:assert/strict'
import * as tf from '@tensorflow/tfjs-core'
import { lowerForCuda, lowerForWebgpu } from '../../../src/engine/onnx/lower-gpu.js'
import { arrays } from '../../../src/engine/trace/arrays.js'
import { elementwise } from '../../../src/engine/trace/elementwise.js'
import { fused } from '../../../src/engine/trace/fused.js'
import { products } from '../../../src/engine/trace/products.js'
import type { Tensors } from '../../../src/engine/trace/trace.js'
import { plainGelu } from '../../../src/model/operations/gelu.js'
import { runKernel } from '../../../src/model/operations/kernel.js'
import { plainLayerNorm } from '../../../src/model/operations/layer-norm.js'
import {
  assertEqualResults,
  compiled,
  type Feeds,
  floats,
  forCpu,
  integers,
  numbered,
  onCpu,
  type Program,
  plainly,
  repeated,
  tensorsOf,
} from './programs.js'

const feeds: Feeds = {
  a: floats([2, 3], 1, 2),
  b: floats([2, 3], 2, 2),
  row: floats([3], 3, 2),
  column: floats([2, 1], 4, 2),
  scalar: floats([], 5, 2),
  cube: floats([2, 3, 4], 6),
  batches: floats([5, 6, 7], 7),
  whole: integers([2, 3], [0, 2, -1, 2, 5, 1]),
  other: integers([2, 3], [0, -2, 1, 2, 4, -7]),
  ids: integers([4], [1, 0, 1, 1]),
}

type Many = (t: Tensors) => tf.Tensor[]
type Unary = (x: tf.Tensor) => tf.Tensor
type Binary = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor

const positive: Unary = (x) => tf.add(tf.abs(x), 0.1)

/** A tensor, a scalar, a repeated row and a constant, each possibly made positive first. */
const unary =
  (operation: Unary, prepare: Unary = (x) => x): Many =>
  ({ a, scalar, row, cube }) =>
    [a, scalar, repeated(row, [2, 3]), tf.fill([2, 3], 0.5), cube].map((x) => operation(prepare(x)))

/** All ways to broadcast, constants and repeated values on either side, and equal elements. */
const binary =
  (operation: Binary, prepare: Unary = (x) => x): Many =>
  ({ a, b, row, column, scalar }) => {
    const pairs: [tf.Tensor, tf.Tensor][] = [
      [a, b],
      [a, a],
      [a, row],
      [column, a],
      [column, row],
      [scalar, a],
      [a, tf.fill([2, 3], 0.5)],
      [tf.fill([1, 3], -1.5), column],
      [repeated(row, [2, 3]), a],
      [repeated(row, [2, 3]), repeated(column, [2, 3])],
      [row, repeated(a, [4, 2, 3])],
    ]
    return pairs.map(([x, y]) => operation(prepare(x), prepare(y)))
  }

const both =
  (...parts: Many[]): Many =>
  (t) =>
    parts.flatMap((part) => part(t))

const ofIntegers =
  (operation: Binary): Many =>
  ({ whole, other }) => [operation(whole, other)]

/** Where a tensor is true. */
const truth = (x: tf.Tensor): tf.Tensor => tf.greater(x, 0)

const matrixProducts: Many = ({ batches }) => {
  const one = tf.slice(batches, 0, 1)
  const matrix = tf.reshape(one, [6, 7])
  return [
    tf.matMul(matrix, matrix, false, true),
    tf.matMul(matrix, matrix, true),
    tf.matMul(matrix, tf.transpose(matrix)),
    tf.matMul(matrix, tf.reshape(matrix, [7, 6]), true, true),
    tf.matMul(batches, batches, true),
    tf.matMul(batches, batches, false, true),
    tf.matMul(batches, one, true),
    tf.matMul(one, batches, false, true),
    tf.matMul(batches, matrix, false, true),
    tf.matMul(matrix, tf.fill([7, 2], 0.5)),
    tf.matMul(repeated(tf.slice(matrix, 0, 1), [6, 7]), matrix, true),
  ]
}

const cases: Readonly<Record<string, Many>> = {
  Add: both(binary(tf.add), ofIntegers(tf.add)),
  Sub: both(binary(tf.sub), ofIntegers(tf.sub)),
  Multiply: both(binary(tf.mul), ofIntegers(tf.mul)),
  RealDiv: binary((a, b) => tf.div(a, positive(b))),
  Maximum: both(binary(tf.maximum), ofIntegers(tf.maximum)),
  Minimum: both(binary(tf.minimum), ofIntegers(tf.minimum)),
  Pow: binary(tf.pow, positive),
  AddN: ({ a, b, row, whole, other }) => [
    tf.addN([a]),
    tf.addN([a, b, a]),
    tf.addN([repeated(row, [2, 3]), tf.fill([2, 3], 2)]),
    tf.addN([whole, other]),
  ],

  Abs: both(unary(tf.abs), ({ whole }) => [tf.abs(whole)]),
  Erf: unary(tf.erf),
  Exp: unary(tf.exp),
  Log: unary(tf.log, positive),
  Neg: both(unary(tf.neg), ({ whole }) => [tf.neg(whole)]),
  Reciprocal: unary(tf.reciprocal, positive),
  Relu: unary(tf.relu),
  Rsqrt: unary(tf.rsqrt, positive),
  Sigmoid: unary(tf.sigmoid),
  Sqrt: unary(tf.sqrt, positive),
  Square: both(unary(tf.square), ({ whole }) => [tf.square(whole)]),
  Tanh: unary(tf.tanh),

  Equal: both(binary(tf.equal), ofIntegers(tf.equal)),
  Greater: both(binary(tf.greater), ofIntegers(tf.greater)),
  GreaterEqual: both(binary(tf.greaterEqual), ofIntegers(tf.greaterEqual)),
  Less: both(binary(tf.less), ofIntegers(tf.less)),
  LessEqual: both(binary(tf.lessEqual), ofIntegers(tf.lessEqual)),
  LogicalAnd: binary(tf.logicalAnd, truth),
  LogicalNot: unary((x) => tf.logicalNot(truth(x))),
  IsFinite: ({ a, row }) => [
    tf.isFinite(a),
    tf.isFinite(tf.log(a)),
    tf.isFinite(tf.div(row, tf.zeros([3]))),
    tf.isFinite(repeated(tf.log(row), [2, 3])),
  ],
  Select: ({ a, b, row, column, scalar, whole, other }) => [
    tf.where(truth(a), a, b),
    tf.where(truth(scalar), a, b),
    tf.where(truth(tf.neg(scalar)), a, b),
    tf.where(truth(row), a, b),
    tf.where(truth(column), a, b),
    tf.where(truth(a), repeated(row, [2, 3]), tf.fill([2, 3], 7)),
    tf.where(truth(repeated(row, [2, 3])), a, b),
    tf.where(truth(a), row, column),
    tf.where(truth(whole), whole, other),
  ],

  Cast: ({ a, whole, row }) => [
    tf.cast(a, 'int32'),
    tf.cast(whole, 'float32'),
    tf.cast(a, 'bool'),
    tf.cast(whole, 'bool'),
    tf.cast(truth(a), 'float32'),
    tf.cast(truth(a), 'int32'),
    tf.cast(repeated(row, [2, 3]), 'int32'),
    tf.cast(tf.fill([2, 3], 2.75), 'int32'),
  ],
  Identity: ({ a, whole }) => [tf.clone(a), tf.clone(whole)],
  OnesLike: ({ a, whole }) => [tf.onesLike(a), tf.onesLike(whole), tf.add(a, tf.onesLike(a))],
  ZerosLike: ({ a, whole }) => [tf.zerosLike(a), tf.zerosLike(whole), tf.maximum(a, tf.zerosLike(a))],
  Fill: () => [tf.fill([2, 3], 2.5), tf.fill([4], -3, 'int32'), tf.fill([40, 50], 0.25)],
  Range: () => [
    tf.range(0, 5, 1, 'int32'),
    tf.range(1, 2, 0.25),
    tf.range(3, -3, -2, 'int32'),
    tf.range(4, 0),
    tf.add(tf.range(0, 4), 0.5),
  ],

  Reshape: ({ a, row, cube, whole }) => [
    tf.reshape(a, [3, 2]),
    tf.reshape(cube, [4, -1]),
    tf.reshape(tf.reshape(cube, [12, 2]), [2, 3, 4]),
    tf.reshape(repeated(row, [2, 3]), [6]),
    tf.reshape(tf.fill([2, 3], 3), [6, 1]),
    tf.reshape(tf.range(0, 6), [2, 3]),
    tf.reshape(whole, [6]),
  ],
  ExpandDims: ({ a, row }) => [
    tf.expandDims(a),
    tf.expandDims(a, 1),
    tf.expandDims(a, -1),
    tf.expandDims(a, -2),
    tf.expandDims(repeated(row, [2, 3]), 2),
  ],
  Transpose: ({ a, row, cube, whole }) => [
    tf.transpose(a),
    tf.transpose(cube, [1, 0, 2]),
    tf.transpose(cube, [2, 0, 1]),
    tf.transpose(cube, [0, 1, 2]),
    tf.transpose(tf.expandDims(a, 1), [1, 0, 2]),
    tf.transpose(repeated(row, [2, 3])),
    tf.transpose(tf.fill([2, 3], 2)),
    tf.transpose(whole),
  ],
  Slice: ({ a, row, cube, whole }) => [
    tf.slice(cube, 1),
    tf.slice(cube, [0, 1], [2, 2]),
    tf.slice(cube, [0, 1, 2], [-1, 1, -1]),
    tf.slice(a, [0, 0], [2, 3]),
    tf.slice(repeated(row, [2, 3]), [1, 1], [1, 2]),
    tf.slice(tf.fill([2, 3], 2), [0, 1], [2, 1]),
    tf.slice(whole, [0, 2], [2, 1]),
  ],
  Concat: ({ a, b, row, whole, other }) => [
    tf.concat([a, b]),
    tf.concat([a, b, a], 1),
    tf.concat([a, repeated(row, [2, 3])], -1),
    tf.concat([tf.fill([1, 3], 4), a, tf.zeros([2, 3])], 0),
    tf.concat([tf.slice(a, 0, 0), b]),
    tf.concat([whole, other], 1),
  ],
  Pack: ({ a, b, row, whole, other }) => [
    tf.stack([a, b]),
    tf.stack([a, b], 1),
    tf.stack([a, b, a], 2),
    tf.stack([a, b], -1),
    tf.stack([repeated(row, [2, 3]), tf.fill([2, 3], 4)], 1),
    tf.stack([whole, other], 1),
  ],
  SplitV: ({ a, row, cube, whole }) => [
    ...tf.split(a, 3, 1),
    ...tf.split(cube, [1, 2], 1),
    ...tf.split(cube, [1, -1, 1], -1),
    ...tf.split(repeated(row, [2, 3]), 2),
    ...tf.split(whole, 3, 1),
  ],
  Tile: ({ a, row, whole }) => [
    tf.tile(a, [2, 3]),
    tf.tile(row, [2]),
    tf.tile(repeated(row, [2, 3]), [1, 2]),
    tf.tile(tf.fill([1, 2], 3), [3, 1]),
    tf.tile(whole, [2, 1]),
    tf.tile(truth(a), [1, 2]),
  ],
  PadV2: ({ a, row, whole }) => [
    tf.pad(a, [
      [1, 0],
      [0, 2],
    ]),
    tf.pad(row, [[2, 1]], 0.5),
    tf.pad(
      repeated(row, [2, 3]),
      [
        [0, 1],
        [1, 0],
      ],
      -1,
    ),
    tf.pad(
      whole,
      [
        [1, 1],
        [0, 0],
      ],
      9,
    ),
  ],
  GatherV2: ({ a, row, cube, whole, ids }) => [
    tf.gather(a, ids as tf.Tensor1D),
    tf.gather(cube, ids as tf.Tensor1D, 1),
    tf.gather(cube, ids as tf.Tensor1D, -1),
    tf.gather(a, tf.reshape(ids, [2, 2]) as tf.Tensor2D),
    tf.gather(repeated(row, [2, 3]), ids as tf.Tensor1D),
    tf.gather(whole, ids as tf.Tensor1D),
  ],
  GatherNd: ({ a, cube, whole, ids }) => [
    tf.gatherND(cube, tf.reshape(ids, [4, 1])),
    tf.gatherND(cube, tf.reshape(ids, [2, 2])),
    tf.gatherND(a, tf.reshape(ids, [2, 2])),
    tf.gatherND(whole, tf.reshape(ids, [2, 2])),
  ],
  ScatterNd: ({ cube, ids }) => {
    const rows = tf.slice(tf.reshape(cube, [6, 4]), 0, 4)
    // More rows to write than given, and fewer.
    return [8, 2].map((V) => tf.scatterND(tf.reshape(ids, [4, 1]), rows, [V, 4]))
  },
  TensorScatterUpdate: ({ a, b, row, cube }) => {
    const places = tf.tensor2d([0, 2, 1, 0], [2, 2], 'int32')
    return [
      tf.tensorScatterUpdate(a, places, tf.reshape(tf.slice(b, [0, 0], [2, 1]), [2])),
      tf.tensorScatterUpdate(cube, tf.tensor2d([1], [1, 1], 'int32'), tf.slice(tf.square(cube), 0, 1)),
      tf.tensorScatterUpdate(tf.zeros([2, 3]), places, tf.ones([2])),
      tf.tensorScatterUpdate(repeated(row, [2, 3]), places, tf.fill([2], 5)),
    ]
  },
  OneHot: ({ ids, whole }) => [
    tf.oneHot(ids, 2),
    tf.oneHot(whole, 4),
    tf.oneHot(ids, 3, 7, -2),
    tf.cast(tf.oneHot(ids, 3), 'float32'),
  ],

  Sum: ({ a, row, cube, whole }) => [
    tf.sum(cube),
    tf.sum(cube, 0),
    tf.sum(cube, [0, 2]),
    tf.sum(cube, -1, true),
    tf.sum(repeated(row, [2, 3]), 0),
    tf.sum(tf.fill([2, 3], 0.5)),
    tf.sum(tf.expandDims(a, 1), 1),
    tf.sum(whole, 0),
    tf.sum(whole, 1),
    tf.sum(truth(a), 1),
  ],
  Mean: ({ row, cube, whole }) => [
    tf.mean(cube),
    tf.mean(cube, 1),
    tf.mean(cube, [0, 2], true),
    tf.mean(repeated(row, [2, 3]), 1),
    tf.mean(whole, 1),
  ],
  Max: ({ row, cube, whole }) => [
    tf.max(cube),
    tf.max(cube, -1),
    tf.max(cube, [0, 1], true),
    tf.max(repeated(row, [2, 3]), 0),
    tf.max(whole, 1),
  ],
  Min: ({ row, cube, whole }) => [
    tf.min(cube),
    tf.min(cube, -1),
    tf.min(cube, [0, 1], true),
    tf.min(repeated(row, [2, 3]), 0),
    tf.min(whole, 1),
  ],
  Softmax: ({ a, row, cube, scalar }) => [
    tf.softmax(a),
    tf.softmax(cube),
    tf.softmax(tf.add(tf.mul(a, 100), scalar)),
    tf.softmax(repeated(row, [2, 3])),
  ],
  BatchMatMul: matrixProducts,
  _FusedMatMul: ({ a, b, row }) => [
    tf.fused.matMul({ a, b, transposeB: true }),
    tf.fused.matMul({ a, b, transposeA: true, bias: row }),
    tf.fused.matMul({ a: tf.transpose(a), b, bias: tf.fill([3], 0.5) }),
  ],

  LayerNormalization: ({ batches, cube, row }) => {
    const [x, rows] = [tf.reshape(batches, [30, 7]), tf.reshape(cube, [8, 3])]
    const [gain, offset] = [tf.slice(x, 0, 1), tf.slice(x, 3, 1)].map((vector) => tf.reshape(vector, [7]))
    return [
      ...layerNormalization(x, gain, offset),
      ...layerNormalization(rows, row, tf.zeros([3])),
      ...layerNormalization(repeated(row, [2, 3]), row, row),
    ]
  },
  Gelu: unary((x) => runKernel('Gelu', { x })?.[0] ?? plainGelu(x as tf.Tensor2D)),
}

/** Value, means and inverse deviations: by the kernel where there is one, else by their definition. */
function layerNormalization(x: tf.Tensor, gain: tf.Tensor, offset: tf.Tensor): tf.Tensor[] {
  const epsilon = 1e-5
  const ofKernel = runKernel('LayerNormalization', { x, gain, offset }, { epsilon })
  if (ofKernel !== null) return ofKernel
  const { mean, variance } = tf.moments(x, -1, true)
  const value = plainLayerNorm(x as tf.Tensor2D, gain as tf.Tensor1D, offset as tf.Tensor1D)
  return [value, mean, tf.rsqrt(tf.add(variance, epsilon))]
}

describe('A compiled kernel', () => {
  for (const [kernel, work] of Object.entries(cases)) {
    it(`${kernel} gives what the cpu backend gives, as recorded and as lowered for each provider`, async () => {
      const program: Program = (tensors) => numbered(work(tensors))
      const expected = await onCpu(feeds, program)
      // What GPUs get are operators of ONNX as well, which the CPU can execute.
      for (const lower of [plainly, forCpu, lowerForWebgpu, lowerForCuda]) {
        assertEqualResults(await compiled(feeds, program, lower), expected)
      }
    })
  }

  it('has its case here, whichever it is, and the case is one of that kernel', async () => {
    const all = { ...elementwise, ...arrays, ...products, ...fused }
    assert.deepEqual(Object.keys(cases).sort(), Object.keys(all).sort())
    for (const [kernel, work] of Object.entries(cases)) {
      if (kernel in fused) continue
      const { kernelNames } = await tf.profile(() => tf.tidy(() => work(tensorsOf(feeds))))
      assert.ok(kernelNames.includes(kernel), kernel)
    }
  })
})
