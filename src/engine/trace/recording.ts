// What kernels say when they record operators: values in, values out, shapes inferred.
import {
  type Attributes,
  type ElementType,
  type GraphBuilder,
  type Node,
  sameShape,
  sizeOf,
  type Value,
} from './graph.js'
import { broadcastShape } from './shapes.js'

/** Shorthand over a graph under construction. */
export class Recording {
  constructor(readonly graph: GraphBuilder) {}

  /** An operator with one output. */
  one(
    operator: string,
    inputs: readonly Value[],
    shape: readonly number[],
    attributes: Attributes = {},
    type: ElementType = inputs[0].type,
    domain: Node['domain'] = '',
  ): Value {
    const full = inputs.map((input) => this.full(input))
    return this.graph.node(operator, full, attributes, [{ type, shape }], domain)[0]
  }

  /** An elementwise operator of two inputs; a repeated or uniform one is broadcast by the operator. */
  binary(operator: string, a: Value, b: Value, type: ElementType = a.type): Value {
    const shape = broadcastShape(a.shape, b.shape)
    const [left, right] = [this.#small(a), this.#small(b)]
    const result = this.one(operator, [left, right], broadcastShape(left.shape, right.shape), {}, type)
    return this.graph.broadcast(result, shape)
  }

  /** An elementwise operator of one input. */
  unary(operator: string, x: Value): Value {
    const small = this.#small(x)
    return this.graph.broadcast(this.one(operator, [small], small.shape), x.shape)
  }

  reshape(x: Value, shape: readonly number[]): Value {
    if (sameShape(x.shape, shape)) return x
    const { source, type } = x
    if (source.kind === 'uniform') return this.graph.uniform(source.value, { type, shape })
    if (source.kind === 'constant') return this.graph.constant(source.data, { type, shape })
    // A reshape of a reshape goes back to the first.
    const before = source.kind === 'node' && source.node.operator === 'Reshape' ? source.node.inputs[0] : x
    if (sameShape(before.shape, shape)) return before
    return this.one('Reshape', [this.full(before), this.int64(shape)], shape)
  }

  scalar(value: number, type: ElementType = 'float32'): Value {
    return this.graph.uniform(value, { type, shape: [] })
  }

  /** A list of integers, as ONNX takes shapes and axes. */
  int64(values: readonly number[]): Value {
    return this.graph.constant(BigInt64Array.from(values, BigInt), { type: 'int64', shape: [values.length] })
  }

  /** A broadcast value written out. */
  full(x: Value): Value {
    if (x.source.kind !== 'broadcast') return x
    const of = this.full(x.source.of)
    return this.one('Expand', [of, this.int64(x.shape)], x.shape)
  }

  /** The least that broadcasts to x: the origin of a repeated value, a scalar for a uniform one. */
  #small(x: Value): Value {
    if (x.source.kind === 'broadcast') return x.source.of
    if (x.source.kind === 'uniform' && sizeOf(x.shape) > 1) return this.scalar(x.source.value, x.type)
    return x
  }
}
