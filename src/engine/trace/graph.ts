// A recorded program: values with static shapes, and the ONNX operators that compute them.

export type ElementType = 'float32' | 'int32' | 'int64' | 'bool'
export type ElementArray = Float32Array | Int32Array | BigInt64Array | Uint8Array

export type Attribute = number | string | readonly number[] | { readonly float: number }
export type Attributes = Readonly<Record<string, Attribute>>

/** Where a value comes from. */
export type Source =
  | { readonly kind: 'input'; readonly name: string }
  | { readonly kind: 'constant'; readonly data: ElementArray }
  /** Every element is `value`. It is written out only where an operator needs it in full. */
  | { readonly kind: 'uniform'; readonly value: number }
  /** `of`, repeated along axes of size 1. Most operators broadcast by themselves. */
  | { readonly kind: 'broadcast'; readonly of: Value }
  | { readonly kind: 'node'; readonly node: Node; readonly output: number }

export interface Value {
  readonly id: number
  readonly type: ElementType
  readonly shape: readonly number[]
  readonly source: Source
}

export interface Node {
  readonly operator: string
  /** '' is ONNX itself, `com.microsoft` are ONNX Runtime's own operators, `trace` ours: those are lowered first. */
  readonly domain: '' | 'com.microsoft' | 'trace'
  readonly inputs: readonly Value[]
  readonly attributes: Attributes
  readonly outputs: readonly Value[]
}

export interface Graph {
  readonly inputs: readonly NamedValue[]
  readonly outputs: readonly NamedValue[]
  /** In an order in which they can be executed. */
  readonly nodes: readonly Node[]
}

export interface NamedValue {
  readonly name: string
  readonly value: Value
}

export interface OutputSpec {
  readonly type: ElementType
  readonly shape: readonly number[]
}

export class TraceError extends Error {
  override readonly name = 'TraceError'
}

/** Elements of a value of this shape. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((size, extent) => size * extent, 1)

export const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((extent, axis) => extent === b[axis])

/** Grows a graph. */
export class GraphBuilder {
  readonly #nodes: Node[] = []
  #lastId = 0

  input(name: string, spec: OutputSpec): Value {
    return this.#value(spec, { kind: 'input', name })
  }

  constant(data: ElementArray, spec: OutputSpec): Value {
    return this.#value(spec, { kind: 'constant', data })
  }

  uniform(value: number, spec: OutputSpec): Value {
    return this.#value(spec, { kind: 'uniform', value })
  }

  /** A value of another graph that no operator made: an input, a constant. */
  adopt({ type, shape, source }: Value, translate: (value: Value) => Value): Value {
    if (source.kind === 'node') throw new Error('an operator is used before it was recorded')
    if (source.kind !== 'broadcast') return this.#value({ type, shape }, source)
    return this.#value({ type, shape }, { kind: 'broadcast', of: translate(source.of) })
  }

  broadcast(of: Value, shape: readonly number[]): Value {
    if (sameShape(of.shape, shape)) return of
    if (of.source.kind === 'uniform') return this.uniform(of.source.value, { type: of.type, shape })
    const origin =
      of.source.kind === 'broadcast' && of.source.of.shape.length === shape.length ? of.source.of : of
    return this.#value({ type: of.type, shape }, { kind: 'broadcast', of: origin })
  }

  /** What a program computes twice, the graph computes twice: it may be meant not to be kept in between. */
  node(
    operator: string,
    inputs: readonly Value[],
    attributes: Attributes,
    outputs: readonly OutputSpec[],
    domain: Node['domain'] = '',
  ): readonly Value[] {
    const node = { operator, domain, inputs, attributes, outputs: [] as Value[] }
    outputs.forEach((spec, output) => {
      node.outputs.push(this.#value(spec, { kind: 'node', node, output }))
    })
    this.#nodes.push(node)
    return node.outputs
  }

  /** The graph of what the outputs need; the rest is left out. */
  finish(inputs: readonly NamedValue[], outputs: readonly NamedValue[]): Graph {
    const needed = new Set<Node>()
    const visit = (value: Value): void => {
      const { source } = value
      if (source.kind === 'broadcast') visit(source.of)
      if (source.kind !== 'node' || needed.has(source.node)) return
      needed.add(source.node)
    }
    for (const { value } of outputs) visit(value)
    // Nodes were recorded after those they need, so one walk from the end finds all.
    for (let i = this.#nodes.length - 1; i >= 0; i--) {
      if (needed.has(this.#nodes[i])) this.#nodes[i].inputs.forEach(visit)
    }
    return { inputs, outputs, nodes: this.#nodes.filter((node) => needed.has(node)) }
  }

  #value({ type, shape }: OutputSpec, source: Source): Value {
    this.#lastId += 1
    return { id: this.#lastId, type, shape: [...shape], source }
  }
}
