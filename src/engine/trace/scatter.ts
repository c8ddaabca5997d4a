// Adding rows where their indices say. ONNX has an operator for it, ScatterND with reduction, which loses updates on
// CPU where indices repeat and threads are several. So it is a product instead, or is left to the host.
import { asInt64, SCATTER_ADD } from './arrays.js'
import { type Graph, type NamedValue, sameShape, type Value } from './graph.js'
import type { Recording } from './recording.js'
import { type Rule, rewrite } from './rewrite.js'

/**
 * Rows of equal index are summed by a product; then a scatter without reduction writes equal rows where indices
 * repeat. With fewer rows to write than rows given, a product with a one-hot matrix is the smaller one.
 */
export const scatterByProduct: Rule = (node, { record }) => {
  if (node.operator !== SCATTER_ADD) return null
  const [ids, rows] = node.inputs
  const { shape } = node.outputs[0]
  const N = ids.shape[0]
  const across = record.reshape(ids, [1, N])
  if (shape[0] <= N) {
    const all = record.graph.constant(
      Int32Array.from({ length: shape[0] }, (_, i) => i),
      {
        type: 'int32',
        shape: [shape[0], 1],
      },
    )
    return [record.one('MatMul', [equal(record, all, across), rows], shape)]
  }
  const down = record.reshape(ids, [N, 1])
  const sums = record.one('MatMul', [equal(record, down, across), rows], rows.shape)
  const zeros = record.graph.uniform(0, { type: 'float32', shape })
  return [record.one('ScatterND', [zeros, asInt64(record, down), sums], shape)]
}

/** 1 where equal, 0 elsewhere. */
function equal(record: Recording, a: Value, b: Value): Value {
  const same = record.binary('Equal', a, b, 'bool')
  return record.one('Where', [same, record.scalar(1), record.scalar(0)], same.shape, {}, 'float32')
}

/** Rows that the host is to add to an output after the graph has run; all three are names of outputs. */
export interface HostAddition {
  readonly to: string
  readonly ids: string
  readonly rows: string
}

/**
 * Takes additions of rows to outputs out of the graph, for a host whose outputs lie in its own memory: it does them
 * in one pass over the rows.
 */
export function scatterOnHost(graph: Graph): { graph: Graph; additions: HostAddition[] } {
  const additions: HostAddition[] = []
  const outputs = graph.outputs.flatMap(({ name, value }): NamedValue[] => {
    const split = splitAddition(value)
    if (split === null) return [{ name, value }]
    const addition = { to: name, ids: `${name}.ids`, rows: `${name}.rows` }
    additions.push(addition)
    return [
      { name, value: split.base },
      { name: addition.ids, value: split.ids },
      { name: addition.rows, value: split.rows },
    ]
  })
  return { graph: rewrite({ ...graph, outputs }, []), additions }
}

/** base + scattered rows, of one shape: a repeated base is not as large as the output that the host adds to. */
function splitAddition({ source, shape }: Value): { base: Value; ids: Value; rows: Value } | null {
  if (source.kind !== 'node' || source.node.operator !== 'Add') return null
  const { inputs } = source.node
  const scattered = inputs.find(
    (input) => input.source.kind === 'node' && input.source.node.operator === SCATTER_ADD,
  )
  if (scattered === undefined || scattered.source.kind !== 'node') return null
  const base = inputs[0] === scattered ? inputs[1] : inputs[0]
  if (!sameShape(base.shape, shape) || !sameShape(scattered.shape, shape)) return null
  const [ids, rows] = scattered.source.node.inputs
  return { base, ids, rows }
}
