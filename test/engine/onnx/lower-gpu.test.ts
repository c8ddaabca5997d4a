// How graphs are fitted to ONNX Runtime on GPUs: nothing is left that their providers lack, and the numbers stay the
// same. The CPU's provider executes the lowered graphs here.
import assert from 'node:assert/strict'
import * as tf from '@tensorflow/tfjs-core'
import { openBackend } from '../../../src/engine/backends.js'
import { lowerForCuda, lowerForWebgpu } from '../../../src/engine/onnx/lower-gpu.js'
import {
  traceEvaluation,
  traceFlatGradient,
  traceNextLogits,
  traceStep,
} from '../../../src/engine/onnx/programs.js'
import type { Graph } from '../../../src/engine/trace/graph.js'
import type { Tensors } from '../../../src/engine/trace/trace.js'
import { resolveModel } from '../../../src/model/config.js'
import { layoutOf } from '../../../src/model/parameters.js'
import { innerSchema } from '../../../src/swarmfile/schema.js'
import {
  assertEqualResults,
  execute,
  type Feeds,
  floats,
  integers,
  onCpu,
  operatorsOf,
  record,
} from '../trace/programs.js'

const feeds: Feeds = {
  a: floats([2, 4, 6], 1),
  b: floats([2, 6, 5], 2),
  turned: floats([2, 5, 6], 3),
  tall: floats([2, 6, 4], 4),
  ids: integers([4, 3], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
  left: floats([2, 3], 5),
  right: floats([2, 3], 6),
  one: floats([], 7),
}

/** The operators of the program as lowered, once it gives what the cpu backend gives. */
async function lowered(
  work: (t: Tensors) => tf.Tensor,
  lower: (graph: Graph) => Graph,
): Promise<Record<string, number>> {
  const program = (tensors: Tensors): Tensors => ({ y: work(tensors) })
  const graph = lower(await record(feeds, program))
  assertEqualResults(await execute(graph, feeds), await onCpu(feeds, program))
  return operatorsOf(graph)
}

describe('A program for WebGPU', () => {
  const products: readonly [string, (t: Tensors) => tf.Tensor][] = [
    ['the first', ({ tall, b }) => tf.matMul(tall, b, true)],
    ['the second', ({ a, turned }) => tf.matMul(a, turned, false, true)],
    ['both', ({ tall, turned }) => tf.matMul(tall, turned, true, true)],
  ]
  for (const [which, work] of products)
    it(`writes out the transposes of a product of matrices of which ${which} is transposed`, async () => {
      const { FusedMatMul, MatMul, Transpose } = await lowered(work, lowerForWebgpu)
      assert.deepEqual([FusedMatMul, MatMul, Transpose], [undefined, 1, which === 'both' ? 2 : 1])
    })

  it('gathers the part of an integer tensor that is cut out, along every axis', async () => {
    const operators = await lowered(({ ids }) => tf.slice(ids, [1, 2], [2, 1]), lowerForWebgpu)
    assert.deepEqual([operators.Slice, operators.Gather], [undefined, 2])
  })

  it('slices floats', async () => {
    assert.equal((await lowered(({ left }) => tf.slice(left, [0, 1], [2, 2]), lowerForWebgpu)).Slice, 1)
  })

  it('chooses by one condition without repeating it', async () => {
    const work = ({ one, left, right }: Tensors) => tf.where(tf.greater(one, 0), left, right)
    assert.equal((await lowered(work, lowerForWebgpu)).Tile, undefined)
  })
})

describe('A program for CUDA', () => {
  it('leaves the transposes to the product of matrices', async () => {
    const operators = await lowered(({ tall, turned }) => tf.matMul(tall, turned, true, true), lowerForCuda)
    assert.deepEqual(operators, { FusedMatMul: 1 })
  })
})

describe('The programs of a training', () => {
  const config = resolveModel({ preset: 'nano', context: 96 }, 64)
  const model = { config, layout: layoutOf(config) }
  const programs: readonly [string, () => Promise<Graph>][] = [
    ['step', () => traceStep(model, 2, innerSchema.parse({}))],
    ['gradient', () => traceFlatGradient(model, 2)],
    ['evaluation', () => traceEvaluation(model, 2)],
    ['next logits', () => traceNextLogits(model)],
  ]
  /** What the providers have no kernels for. */
  const absent = {
    webgpu: ['FusedMatMul', 'OneHot', 'Sum', 'Loop', 'Tile', 'ScatterAdd', 'ScatterElements'],
    cuda: ['Tile', 'ScatterAdd'],
  }
  before(() => openBackend('cpu', 1))

  for (const [name, traceIt] of programs)
    it(`have a ${name} with no operator that a GPU's provider lacks`, async () => {
      const graph = await traceIt()
      for (const [lower, missing] of [
        [lowerForWebgpu, absent.webgpu],
        [lowerForCuda, absent.cuda],
      ] as const) {
        const { nodes } = lower(graph)
        assert.deepEqual(
          nodes.filter(({ operator, domain }) => missing.includes(operator) || domain === 'trace'),
          [],
        )
      }
    })
})
