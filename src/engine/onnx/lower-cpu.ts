// Fits a graph to ONNX Runtime on CPU: scalings, transposes and additions go into the matrix products beside them.
import type { Graph, Node, Value } from '../trace/graph.js'
import { type RewriteContext, type Rule, rewrite } from '../trace/rewrite.js'
import { type HostAddition, scatterByProduct, scatterOnHost } from '../trace/scatter.js'

/** @returns the graph, and what the host does after each run of it */
export function lowerForCpu(recorded: Graph): { graph: Graph; additions: HostAddition[] } {
  const { graph, additions } = scatterOnHost(recorded)
  const rules = [
    scatterByProduct,
    transposedOnce(),
    scaledProduct,
    productOfScaled,
    productOfTransposed,
    productPlus,
    sumOfRows,
  ]
  return { graph: leavesLast(rewrite(graph, rules)), additions }
}

/**
 * ONNX Runtime walks back from what nothing depends on, the last written first, and executes what each needs. So
 * the results that are ready first are written last: each is made when its inputs are, and they are freed.
 */
function leavesLast(graph: Graph): Graph {
  const used = new Set(graph.nodes.flatMap(({ inputs }) => inputs.map(({ id }) => id)))
  const isLeaf = ({ outputs }: Node) => outputs.every(({ id }) => !used.has(id))
  const leaves = graph.nodes.filter(isLeaf)
  return { ...graph, nodes: [...graph.nodes.filter((node) => !isLeaf(node)), ...leaves.reverse()] }
}

/** c (A B): the product scales its result by itself. */
const scaledProduct: Rule = (node, { record, isUsedOnce }) => {
  if (node.operator !== 'Mul') return null
  const [product, scale] = isScalar(node.inputs[1]) ? node.inputs : [node.inputs[1], node.inputs[0]]
  const factor = scalarOf(scale)
  const made = producer(product)
  if (factor === null || made === null || !isProduct(made) || !isUsedOnce(product)) return null
  return [fusedMatMul(record, made, made.inputs[0], made.inputs[1], { alpha: factor })]
}

/** (c A) B: so does it. */
const productOfScaled: Rule = (node, context) => {
  if (!isProduct(node)) return null
  const [a, b] = node.inputs
  const left = unscaled(a)
  const right = unscaled(b)
  if (left.factor === 1 && right.factor === 1) return productOfTransposed(node, context)
  const scaled = fusedMatMul(context.record, node, left.value, right.value, {
    alpha: left.factor * right.factor,
  })
  return productOfTransposed(producer(scaled)!, context) ?? [scaled]
}

/** A [M, G, K] read as [G, M, K]: the product takes its batches from the middle axis. */
const productOfTransposed: Rule = (node, { record }) => {
  if (!isProduct(node)) return null
  const [a, b] = node.inputs
  const [left, right] = [swapped(a), swapped(b)]
  if (left === null && right === null) return null
  const added = { ...(left && { transBatchA: 1 }), ...(right && { transBatchB: 1 }) }
  return [fusedMatMul(record, node, left ?? a, right ?? b, added)]
}

/** A B + C. */
const productPlus: Rule = (node, { record, isUsedOnce }) => {
  if (node.operator !== 'Add') return null
  const [first, second] = node.inputs
  const order = [
    [first, second],
    [second, first],
  ].find(([product, added]) => {
    const made = producer(product)
    return (
      made !== null &&
      isProduct(made) &&
      product.shape.length === 2 &&
      isUsedOnce(product) &&
      fitsRows(added, product)
    )
  })
  if (order === undefined) return null
  const [product, added] = order
  const made = producer(product)!
  const { transA, transB, alpha } = made.attributes
  const attributes = { ...(transA && { transA }), ...(transB && { transB }), ...(alpha && { alpha }) }
  return [record.one('Gemm', [...made.inputs, added], product.shape, attributes)]
}

/**
 * A^T B of a long A no wider than B: the runtime's product takes A^T in small pieces, each from many rows. A transpose
 * written out costs less than that, and serves every product of the same A.
 */
function transposedOnce(): Rule {
  const known = new Map<number, Value>()
  return (node, { record }) => {
    if (node.operator !== 'FusedMatMul' || node.attributes.transA !== 1) return null
    const [a, b] = node.inputs
    const [K, M] = a.shape
    if (a.shape.length !== 2 || M > node.outputs[0].shape.at(-1)! || K < M) return null
    const transposed = known.get(a.id) ?? record.one('Transpose', [a], a.shape.toReversed(), { perm: [1, 0] })
    known.set(a.id, transposed)
    const { transA: _, ...attributes } = node.attributes
    return [
      record.one(
        'FusedMatMul',
        [transposed, b],
        node.outputs[0].shape,
        attributes,
        'float32',
        'com.microsoft',
      ),
    ]
  }
}

/** The sum of rows is a product with a row of ones, at twice the speed. */
const sumOfRows: Rule = (node, { record }) => {
  if (node.operator !== 'ReduceSum') return null
  const [x, axes] = node.inputs
  const isMatrix = x.type === 'float32' && x.shape.length === 2
  const isSumOfRows = isMatrix && axes.source.kind === 'constant' && String(axes.source.data) === '0'
  if (!isSumOfRows) return null
  const ones = record.graph.uniform(1, { type: 'float32', shape: [1, x.shape[0]] })
  const sum = record.one('MatMul', [ones, x], [1, x.shape[1]])
  return [record.reshape(sum, node.outputs[0].shape)]
}

function fitsRows(added: Value, product: Value): boolean {
  return added.shape.length === 1 && added.shape[0] === product.shape[1]
}

function fusedMatMul(
  record: RewriteContext['record'],
  node: Node,
  a: Value,
  b: Value,
  { alpha = 1, ...added }: { alpha?: number; transBatchA?: number; transBatchB?: number },
): Value {
  const before = node.attributes.alpha as { float: number } | undefined
  const attributes = { ...node.attributes, ...added, alpha: { float: alpha * (before?.float ?? 1) } }
  return record.one('FusedMatMul', [a, b], node.outputs[0].shape, attributes, 'float32', 'com.microsoft')
}

const producer = (value: Value): Node | null => (value.source.kind === 'node' ? value.source.node : null)

const isProduct = ({ operator, outputs }: Node): boolean =>
  (operator === 'MatMul' || operator === 'FusedMatMul') && outputs[0].type === 'float32'

const isScalar = (value: Value): boolean => scalarOf(value) !== null

/** The number that a value is everywhere, if it is one. */
function scalarOf({ source, shape }: Value): number | null {
  return source.kind === 'uniform' && shape.length === 0 ? source.value : null
}

function unscaled(value: Value): { value: Value; factor: number } {
  const made = producer(value)
  if (made?.operator !== 'Mul') return { value, factor: 1 }
  const [x, scale] = isScalar(made.inputs[1]) ? made.inputs : [made.inputs[1], made.inputs[0]]
  const factor = scalarOf(scale)
  return factor === null ? { value, factor: 1 } : { value: x, factor }
}

/** The [M, G, K] that a [G, M, K] was made of by a transpose. */
function swapped(value: Value): Value | null {
  const made = producer(value)
  if (made?.operator !== 'Transpose' || String(made.attributes.perm) !== '1,0,2') return null
  return made.inputs[0]
}
