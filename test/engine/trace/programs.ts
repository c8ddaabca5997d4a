// Runs one TensorFlow.js program two ways, eagerly on the cpu backend and compiled by ONNX Runtime, for comparison.
import assert from 'node:assert/strict'
import * as tf from '@tensorflow/tfjs-core'
import type { Tensor } from 'onnxruntime-node'
import { openBackend } from '../../../src/engine/backends.js'
import { lowerForCpu } from '../../../src/engine/onnx/lower-cpu.js'
import { compile, loadRuntime } from '../../../src/engine/onnx/runtime.js'
import type { Graph } from '../../../src/engine/trace/graph.js'
import { rewrite } from '../../../src/engine/trace/rewrite.js'
import { scatterByProduct } from '../../../src/engine/trace/scatter.js'
import { type TensorSpec, type Tensors, trace } from '../../../src/engine/trace/trace.js'
import { made, relativeDifference } from '../../model/backend.js'

/** A tensor to feed, as plain data. */
export interface Given extends TensorSpec {
  readonly data: Float32Array | Int32Array
}
export type Feeds = Readonly<Record<string, Given>>
export type Program = (tensors: Tensors) => Tensors

/** A tensor that came out, as plain data. */
export interface Result {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly values: Float32Array | Int32Array | Uint8Array
}
export type Results = Readonly<Record<string, Result>>

/** Numbers in [-scale, scale) that are the same in every run. */
export function floats(shape: readonly number[], seed = 1, scale = 1): Given {
  const data = made(tf.util.sizeFromShape([...shape]), seed).map((value) => value * scale)
  return { shape, dtype: 'float32', data }
}

export function integers(shape: readonly number[], data: readonly number[]): Given {
  return { shape, dtype: 'int32', data: Int32Array.from(data) }
}

/** Outputs by their position, for programs that need no names. */
export const numbered = (tensors: readonly tf.Tensor[]): Tensors =>
  Object.fromEntries(tensors.map((tensor, i) => [`output${i}`, tensor]))

/** Values that are as large as `shape` only when somebody needs them in full. */
export const repeated = (x: tf.Tensor, shape: number[]): tf.Tensor => tf.mul(x, tf.ones(shape))

export async function onCpu(feeds: Feeds, program: Program): Promise<Results> {
  await openBackend('cpu', 1)
  const read = (tensor: tf.Tensor): Result => {
    const values = tensor.dataSync() as Result['values']
    return { dtype: tensor.dtype, shape: tensor.shape, values: values.slice() }
  }
  tf.engine().startScope()
  try {
    return mapValues(program(tensorsOf(feeds)), read)
  } finally {
    tf.engine().endScope()
  }
}

/** Fed tensors on the current backend. */
export const tensorsOf = (feeds: Feeds): Tensors =>
  mapValues(feeds, ({ data, shape, dtype }) => tf.tensor(data.slice(), [...shape], dtype))

/** How a recorded graph is made fit to be executed. */
export type Lowering = (graph: Graph) => Graph

/** As recorded, but for the additions of rows, which no provider has an operator for. */
export const plainly: Lowering = (graph) => rewrite(graph, [scatterByProduct])

/** As the CPU provider gets it; not for programs that leave additions of rows to the host. */
export const forCpu: Lowering = (recorded) => {
  const { graph, additions } = lowerForCpu(recorded)
  assert.deepEqual(additions, [])
  return graph
}

export async function compiled(feeds: Feeds, program: Program, lower: Lowering = plainly): Promise<Results> {
  return execute(lower(await record(feeds, program)), feeds)
}

/** The graph of a program for inputs of these shapes. */
export async function record(feeds: Feeds, program: Program): Promise<Graph> {
  await openBackend('cpu', 1)
  const specs = mapValues(feeds, ({ shape, dtype }) => ({ shape, dtype }))
  return trace(specs, program)
}

export async function execute(graph: Graph, feeds: Feeds, threads = 1): Promise<Results> {
  return executeOften(graph, feeds, threads, 1).then(([results]) => results)
}

export async function executeOften(
  graph: Graph,
  feeds: Feeds,
  threads: number,
  times: number,
): Promise<Results[]> {
  const program = await compile(graph, { provider: 'cpu', device: 0, threads, onDevice: false })
  try {
    const tensors = await toTensors(feeds)
    const outputs = Object.fromEntries(graph.outputs.map(({ name }) => [name, null]))
    const all: Results[] = []
    for (let run = 0; run < times; run++) all.push(mapValues(await program.run(tensors, outputs), fromTensor))
    return all
  } finally {
    await program.dispose()
  }
}

async function toTensors(feeds: Feeds): Promise<Readonly<Record<string, Tensor>>> {
  const runtime = await loadRuntime()
  return mapValues(feeds, ({ dtype, data, shape }) => new runtime.Tensor(dtype, data as Float32Array, shape))
}

function fromTensor({ type, dims, data }: Tensor): Result {
  return { dtype: type, shape: dims, values: (data as Float32Array).slice() }
}

/** What cancels out leaves the rounding of numbers near one: tensors are not held to less than this part of one. */
const leastMagnitude = 0.1

/** Equal types and shapes; floats equal to `tolerance`, relative to the largest of their tensor. */
export function assertEqualResults(actual: Results, expected: Results, tolerance = 1e-6): void {
  assert.deepEqual(Object.keys(actual).sort(), Object.keys(expected).sort())
  for (const [name, { dtype, shape, values }] of Object.entries(expected)) {
    assert.deepEqual([actual[name].dtype, ...actual[name].shape], [dtype, ...shape], name)
    const difference = relativeDifference(actual[name].values, values, leastMagnitude)
    assert.ok(difference <= (dtype === 'float32' ? tolerance : 0), `${name} differs by ${difference}`)
  }
}

/** How often each operator stands in a graph. */
export function operatorsOf(graph: Graph): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { operator } of graph.nodes) counts[operator] = (counts[operator] ?? 0) + 1
  return counts
}

function mapValues<From, To>(
  record: Readonly<Record<string, From>>,
  change: (value: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]))
}
