// Kernels that work element by element.
import type * as tf from '@tensorflow/tfjs-core'
import { elementTypeOf } from './backend.js'
import { type ElementType, sameShape, type Value } from './graph.js'
import { type Inputs, type KernelRecorder, refuse } from './kernel.js'
import type { Recording } from './recording.js'
import { broadcastShape } from './shapes.js'

const unary =
  (operator: string): KernelRecorder =>
  (record, { x }) =>
    record.unary(operator, x)

const binary =
  (operator: string, type?: ElementType): KernelRecorder =>
  (record, { a, b }) =>
    record.binary(operator, a, b, type)

/** A binary operation that leaves `a` as it is where `b` is everywhere `neutral`, and the other way round. */
const withNeutral =
  (operator: string, neutral: number, commutes: boolean): KernelRecorder =>
  (record, { a, b }) => {
    const shape = broadcastShape(a.shape, b.shape)
    if (isUniform(b, neutral)) return record.graph.broadcast(a, shape)
    if (commutes && isUniform(a, neutral)) return record.graph.broadcast(b, shape)
    return record.binary(operator, a, b)
  }

export const elementwise: Readonly<Record<string, KernelRecorder>> = {
  Add: withNeutral('Add', 0, true),
  Sub: withNeutral('Sub', 0, false),
  Multiply: withNeutral('Mul', 1, true),
  RealDiv: withNeutral('Div', 1, false),
  Maximum: binary('Max'),
  Minimum: binary('Min'),
  Pow: binary('Pow'),
  AddN: addAll,

  Abs: unary('Abs'),
  Erf: unary('Erf'),
  Exp: unary('Exp'),
  Log: unary('Log'),
  Neg: unary('Neg'),
  Reciprocal: unary('Reciprocal'),
  Relu: unary('Relu'),
  Rsqrt: (record, { x }) => record.unary('Reciprocal', record.unary('Sqrt', x)),
  Sigmoid: unary('Sigmoid'),
  Sqrt: unary('Sqrt'),
  Square: (record, { x }) => record.binary('Mul', x, x),
  Tanh: unary('Tanh'),

  Equal: binary('Equal', 'bool'),
  Greater: binary('Greater', 'bool'),
  GreaterEqual: binary('GreaterOrEqual', 'bool'),
  Less: binary('Less', 'bool'),
  LessEqual: binary('LessOrEqual', 'bool'),
  LogicalAnd: binary('And', 'bool'),
  LogicalNot: unary('Not'),
  // x - x is 0 for finite x and NaN for the rest, on every provider.
  IsFinite: (record, { x }) => record.binary('Equal', record.binary('Sub', x, x), record.scalar(0), 'bool'),
  Select: select,

  Cast: (record, { x }, attrs) => {
    const type = elementTypeOf((attrs as unknown as tf.CastAttrs).dtype)
    return type === x.type ? x : record.one('Cast', [x], x.shape, { to: onnxType[type] }, type)
  },
  Identity: (_record, { x }) => x,
  OnesLike: (record, { x }) => record.graph.uniform(1, x),
  ZerosLike: (record, { x }) => record.graph.uniform(0, x),
  Fill: (record, _inputs, attrs) => {
    const { shape, value, dtype } = attrs as unknown as tf.FillAttrs
    return record.graph.uniform(Number(value), { type: elementTypeOf(dtype ?? 'float32'), shape })
  },
  Range: (record, _inputs, attrs) => {
    const { start, stop, step: given, dtype } = attrs as unknown as tf.RangeAttrs
    // TensorFlow.js counts down by itself where the step is the default.
    const step = stop < start && given === 1 ? -1 : given
    const numbers = Array.from(
      { length: Math.max(0, Math.ceil((stop - start) / step)) },
      (_, i) => start + i * step,
    )
    const data = dtype === 'int32' ? Int32Array.from(numbers) : Float32Array.from(numbers)
    return record.graph.constant(data, { type: elementTypeOf(dtype), shape: [data.length] })
  },
}

/** Element types by their numbers in ONNX's TensorProto. */
export const onnxType: Readonly<Record<ElementType, number>> = { float32: 1, int32: 6, int64: 7, bool: 9 }

function isUniform(value: Value, element: number): boolean {
  return value.source.kind === 'uniform' && value.source.value === element
}

function addAll(record: Recording, inputs: Inputs): Value {
  return Object.values(inputs).reduce((sum, value) => record.binary('Add', sum, value))
}

function select(record: Recording, { condition, t, e }: Inputs): Value {
  // tfjs also allows a condition that picks whole rows.
  const picksRows = condition.shape.length === 1 && t.shape.length > 1
  if (picksRows) refuse('Select', 'with a condition of rank 1 on tensors of higher rank')
  const shape = broadcastShape(condition.shape, broadcastShape(t.shape, e.shape))
  if (!sameShape(t.shape, shape))
    refuse('Select', `of [${t.shape}] where the condition is [${condition.shape}]`)
  return record.one('Where', [origin(condition), t, e], shape, {}, t.type)
}

const origin = (value: Value): Value => (value.source.kind === 'broadcast' ? value.source.of : value)
