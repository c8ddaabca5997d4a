// What ONNX Runtime holds while it runs a graph: its order of execution, its buffers, and their peak. It plans both
// from the graph alone, by rules that are followed here.
import { type Graph, type Node, sameShape, sizeOf, type Value } from '../trace/graph.js'

const bytesPerElement = { float32: 4, int32: 4, int64: 8, bool: 1 } as const

const bytesOf = ({ type, shape }: Value): number => sizeOf(shape) * bytesPerElement[type]

/** Operators whose output is their first input in another shape. */
const aliases = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Identity', 'Flatten'])

/**
 * The order of execution: depth first from what nothing depends on, of several the last written first, each after
 * its inputs.
 */
export function executionOrder({ nodes }: Graph): Node[] {
  const places = new Map(nodes.map((node, place) => [node, place]))
  const isNeeded = new Set(nodes.flatMap(({ inputs }) => inputs.flatMap(makersOf)))
  const stack = nodes.filter((node) => !isNeeded.has(node)).map((node) => ({ node, isReady: false }))
  const visited = new Set<Node>()
  const order: Node[] = []
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { node, isReady } = next
    if (isReady) {
      order.push(node)
    } else if (!visited.has(node)) {
      visited.add(node)
      const makers = [...new Set(node.inputs.flatMap(makersOf))].filter((maker) => !visited.has(maker))
      makers.sort((a, b) => places.get(a)! - places.get(b)!)
      stack.push({ node, isReady: true }, ...makers.map((maker) => ({ node: maker, isReady: false })))
    }
  }
  return order
}

function makersOf({ source }: Value): Node[] {
  if (source.kind === 'broadcast') return makersOf(source.of)
  return source.kind === 'node' ? [source.node] : []
}

/** Memory that values take one after another. */
interface Buffer {
  readonly like: Value
  /** Uses of its present value that are still to come. */
  uses: number
  readonly from: number
  to: number
}

/**
 * The most bytes that the runtime holds at once for what it computes: inputs and outputs, which are the caller's, and
 * the kernels' own scratch space are not among them.
 */
export function peakBytes(graph: Graph): number {
  const buffers = assignBuffers(graph)
  const changes = new Map<number, number>()
  const change = (step: number, bytes: number) => changes.set(step, (changes.get(step) ?? 0) + bytes)
  for (const { like, from, to } of buffers) {
    change(from, bytesOf(like))
    change(to + 1, -bytesOf(like))
  }
  let held = 0
  let peak = 0
  for (const step of [...changes.keys()].sort((a, b) => a - b)) {
    held += changes.get(step)!
    peak = Math.max(peak, held)
  }
  return peak
}

/**
 * A value takes a buffer of its own shape that is free, else a new one; nothing is computed in place. A buffer is kept
 * from its first value to its last, also while it is free in between.
 */
function assignBuffers(graph: Graph): Buffer[] {
  const uses = countUses(graph)
  /** Buffers of values; null where the memory is the caller's or the program's. */
  const holders = new Map<number, Buffer | null>()
  for (const { value } of [...graph.inputs, ...graph.outputs]) holders.set(value.id, null)
  const all: Buffer[] = []
  const free: Buffer[] = []

  const hold = (value: Value, step: number): void => {
    const found = value.shape.length === 0 ? -1 : free.findIndex(({ like }) => fits(like, value))
    const buffer = found === -1 ? { like: value, uses: 0, from: step, to: step } : free.splice(found, 1)[0]
    if (found === -1) all.push(buffer)
    holders.set(value.id, buffer)
    expect(buffer, value)
  }
  const expect = (buffer: Buffer, { id }: Value): void => {
    buffer.uses += uses.get(id) ?? 0
  }
  const release = (buffer: Buffer | null | undefined, step: number, count: number): void => {
    if (buffer == null) return
    buffer.uses -= count
    buffer.to = step
    if (buffer.uses === 0) free.unshift(buffer)
  }
  for (const [step, node] of executionOrder(graph).entries()) {
    for (const input of node.inputs) {
      // Uniform inputs are written out by operators of their own.
      if (input.source.kind === 'uniform' && !holders.has(input.id)) hold(input, step)
    }
    for (const output of node.outputs) {
      if (holders.has(output.id)) continue
      if (!aliases.has(node.operator)) {
        hold(output, step)
        continue
      }
      const buffer = holders.get(node.inputs[0].id) ?? null
      holders.set(output.id, buffer)
      if (buffer !== null) expect(buffer, output)
    }
    for (const { id } of node.inputs) release(holders.get(id), step, 1)
    for (const { id } of node.outputs) if (!uses.has(id)) release(holders.get(id), step, 0)
  }
  return all
}

const fits = (a: Value, b: Value): boolean =>
  bytesPerElement[a.type] === bytesPerElement[b.type] && sameShape(a.shape, b.shape)

/** How often operators read each value. */
function countUses({ nodes }: Graph): Map<number, number> {
  const uses = new Map<number, number>()
  for (const { inputs } of nodes) for (const { id } of inputs) uses.set(id, (uses.get(id) ?? 0) + 1)
  return uses
}
