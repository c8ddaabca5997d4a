// Fits a graph to ONNX Runtime on GPUs, whose providers have fewer operators than the one on CPU.
import { type Graph, type Node, sizeOf, type Value } from '../trace/graph.js'
import type { Recording } from '../trace/recording.js'
import { type Rule, rewrite } from '../trace/rewrite.js'
import { scatterByProduct } from '../trace/scatter.js'

export function lowerForWebgpu(recorded: Graph): Graph {
  return rewrite(rewrite(recorded, [scatterByProduct]), [plainProduct, integerSlice, choiceByOne])
}

/** Its products take transposed matrices, so that none is written out. */
export function lowerForCuda(recorded: Graph): Graph {
  return rewrite(recorded, [scatterByProduct, choiceByOne])
}

/** WebGPU multiplies matrices as they lie. */
const plainProduct: Rule = (node, { record }) => {
  if (node.operator !== 'FusedMatMul') return null
  const { transA, transB } = node.attributes
  const [a, b] = node.inputs
  const left = transA === 1 ? transposed(record, a) : a
  const right = transB === 1 ? transposed(record, b) : b
  return [record.one('MatMul', [left, right], node.outputs[0].shape)]
}

/** The last two axes swapped. */
function transposed(record: Recording, x: Value): Value {
  const last = x.shape.length - 1
  const perm = [...Array(last - 1).keys(), last, last - 1]
  const shape = perm.map((axis) => x.shape[axis])
  return record.one('Transpose', [x], shape, { perm })
}

/** WebGPU slices floats only, but gathers integers as well. */
const integerSlice: Rule = (node, { record }) => {
  if (node.operator !== 'Slice' || node.inputs[0].type !== 'int32') return null
  const [x, starts, ends, axes] = node.inputs
  const [from, to, along] = [starts, ends, axes].map(integers)
  const sliced = along.reduce((value, axis, i) => {
    const extent = to[i] - from[i]
    const places = Int32Array.from({ length: extent }, (_, place) => from[i] + place)
    const indices = record.graph.constant(places, { type: 'int32', shape: [extent] })
    return record.one('Gather', [value, indices], value.shape.with(axis, extent), { axis })
  }, x)
  return [sliced]
}

/** A condition of one element need not be repeated, which GPUs do for numbers only: the choice broadcasts it. */
const choiceByOne: Rule = (node, { record }) => {
  if (node.operator !== 'Where') return null
  const [condition, yes, no] = node.inputs
  const tile = producer(condition)
  if (tile?.operator !== 'Tile' || sizeOf(tile.inputs[0].shape) !== 1) return null
  return [record.one('Where', [tile.inputs[0], yes, no], node.outputs[0].shape, {}, yes.type)]
}

const producer = ({ source }: Value): Node | null => (source.kind === 'node' ? source.node : null)

function integers({ source }: Value): number[] {
  if (source.kind !== 'constant') throw new Error('a slice has bounds that are known when it is recorded')
  return Array.from(source.data as BigInt64Array, Number)
}
