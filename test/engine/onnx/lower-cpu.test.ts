// How graphs are fitted to ONNX Runtime on CPU: each rule fires where it should, and the numbers stay the same.
import assert from 'node:assert/strict'
import * as tf from '@tensorflow/tfjs-core'
import { lowerForCpu } from '../../../src/engine/onnx/lower-cpu.js'
import type { Attributes, Graph } from '../../../src/engine/trace/graph.js'
import type { Tensors } from '../../../src/engine/trace/trace.js'
import {
  assertEqualResults,
  execute,
  type Feeds,
  floats,
  forCpu,
  integers,
  onCpu,
  operatorsOf,
  type Program,
  type Results,
  record,
} from '../trace/programs.js'

const feeds: Feeds = {
  a: floats([4, 6], 1),
  b: floats([6, 5], 2),
  c: floats([5, 6], 3),
  bias: floats([5], 4),
  column: floats([4, 1], 5),
  matrix: floats([4, 5], 6),
  scale: floats([], 7),
  short: floats([6, 8], 13),
  tall: floats([6, 4], 14),
  whole: integers([2, 3], [1, 2, 3, 4, 5, 6]),
  // [M, G, K] and [K, G, N], and their like with the last axes swapped
  left: floats([4, 3, 6], 8),
  right: floats([6, 3, 5], 9),
  turned: floats([5, 3, 6], 10),
  batches: floats([3, 6, 5], 11),
  one: floats([1, 6, 5], 12),
}

/** The lowered program, after a check that it gives what the cpu backend gives. */
async function lowered(work: (t: Tensors) => tf.Tensor): Promise<Graph> {
  const program: Program = (tensors) => ({ y: work(tensors) })
  const graph = forCpu(await record(feeds, program))
  assertEqualResults(await execute(graph, feeds), await onCpu(feeds, program))
  return graph
}

/** A program that becomes one operator. */
async function assertOne(
  work: (t: Tensors) => tf.Tensor,
  operator: string,
  attributes: Attributes,
): Promise<void> {
  const { nodes } = await lowered(work)
  assert.deepEqual(
    nodes.map((node) => node.operator),
    [operator],
  )
  assert.deepEqual(nodes[0].attributes, attributes)
}

async function assertOperators(
  work: (t: Tensors) => tf.Tensor,
  counts: Record<string, number>,
): Promise<void> {
  assert.deepEqual(operatorsOf(await lowered(work)), counts)
}

const swap = (x: tf.Tensor): tf.Tensor => tf.transpose(x, [1, 0, 2])
const float = (value: number) => ({ float: value })

describe('A scaling beside a matrix product on CPU', () => {
  it('of its result is the product’s own', async () => {
    await assertOne(({ a, b }) => tf.mul(tf.matMul(a, b), 0.5), 'FusedMatMul', { alpha: float(0.5) })
    await assertOne(({ a, c }) => tf.mul(3, tf.matMul(a, c, false, true)), 'FusedMatMul', {
      transA: 0,
      transB: 1,
      alpha: float(3),
    })
  })

  it('of its sides is the product’s own, and several are one', async () => {
    await assertOne(({ a, b }) => tf.matMul(tf.mul(a, 0.5), b), 'FusedMatMul', { alpha: float(0.5) })
    await assertOne(({ a, b }) => tf.mul(tf.matMul(tf.mul(a, 0.5), tf.mul(4, b)), 3), 'FusedMatMul', {
      alpha: float(6),
    })
  })

  it('stays where the unscaled product is used as well', async () => {
    await assertOperators(
      ({ a, b }) => {
        const product = tf.matMul(a, b)
        return tf.add(tf.mul(product, 0.5), tf.tanh(product))
      },
      { MatMul: 1, Mul: 1, Tanh: 1, Add: 1 },
    )
  })

  it('stays where it is no constant, or differs from element to element', async () => {
    await assertOperators(({ a, b, scale }) => tf.mul(tf.matMul(a, b), scale), { MatMul: 1, Mul: 1 })
    await assertOperators(({ a, b, bias }) => tf.mul(tf.matMul(a, b), bias), { MatMul: 1, Mul: 1 })
  })
})

describe('A transpose before a batch of matrix products on CPU', () => {
  it('of the first two axes is the product’s own, on either side and on both', async () => {
    await assertOne(({ left, batches }) => tf.matMul(swap(left), batches), 'FusedMatMul', {
      transBatchA: 1,
      alpha: float(1),
    })
    await assertOne(({ left, right }) => tf.matMul(swap(left), swap(right)), 'FusedMatMul', {
      transBatchA: 1,
      transBatchB: 1,
      alpha: float(1),
    })
    await assertOne(({ batches, right }) => tf.matMul(batches, swap(right), true), 'FusedMatMul', {
      transA: 1,
      transB: 0,
      transBatchB: 1,
      alpha: float(1),
    })
  })

  it('goes along with transposes of the matrices, and with scalings', async () => {
    await assertOne(
      ({ left, turned }) => tf.matMul(tf.mul(swap(left), 2), swap(turned), false, true),
      'FusedMatMul',
      {
        transA: 0,
        transB: 1,
        transBatchA: 1,
        transBatchB: 1,
        alpha: float(2),
      },
    )
    await assertOne(({ right, turned }) => tf.matMul(swap(right), swap(turned), true, true), 'FusedMatMul', {
      transA: 1,
      transB: 1,
      transBatchA: 1,
      transBatchB: 1,
      alpha: float(1),
    })
  })

  it('gives the right batches where the other side has one matrix for all', async () => {
    await lowered(({ left, one }) => tf.matMul(swap(left), one))
    await lowered(({ one, left }) => tf.matMul(one, swap(left), true, true))
  })

  it('of other axes stays', async () => {
    await assertOperators(({ left, batches }) => tf.matMul(tf.transpose(left, [1, 2, 0]), batches, true), {
      Transpose: 1,
      FusedMatMul: 1,
    })
  })
})

describe('An addition to a matrix product on CPU', () => {
  it('of a row is the product’s own, whichever comes first', async () => {
    await assertOne(({ a, b, bias }) => tf.add(tf.matMul(a, b), bias), 'Gemm', {})
    await assertOne(({ a, b, bias }) => tf.add(bias, tf.matMul(a, b)), 'Gemm', {})
  })

  it('goes along with transposes and scalings', async () => {
    await assertOne(({ a, c, bias }) => tf.add(tf.mul(tf.matMul(a, c, false, true), 0.5), bias), 'Gemm', {
      transB: 1,
      alpha: float(0.5),
    })
    await assertOne(({ b, short, bias }) => tf.add(tf.matMul(short, b, true), bias), 'Gemm', {
      transA: 1,
    })
  })

  it('of anything but a row stays', async () => {
    await assertOperators(({ a, b, column }) => tf.add(tf.matMul(a, b), column), { MatMul: 1, Add: 1 })
    await assertOperators(({ a, b, matrix }) => tf.add(tf.matMul(a, b), matrix), { MatMul: 1, Add: 1 })
    await assertOperators(({ a, b, scale }) => tf.add(tf.matMul(a, b), scale), { MatMul: 1, Add: 1 })
  })

  it('stays for batches, and where the bare product is used as well', async () => {
    await assertOperators(({ left, one, bias }) => tf.add(tf.matMul(left, tf.tile(one, [4, 1, 1])), bias), {
      Tile: 1,
      MatMul: 1,
      Add: 1,
    })
    await assertOperators(
      ({ a, b, bias }) => {
        const product = tf.matMul(a, b)
        return tf.mul(tf.add(product, bias), product)
      },
      { MatMul: 1, Add: 1, Mul: 1 },
    )
  })
})

describe('A product with the transpose of a long and narrow matrix on CPU', () => {
  it('gets the transpose written out, once for all products of the matrix', async () => {
    await assertOperators(
      ({ tall, b, short }) => tf.concat([tf.matMul(tall, b, true), tf.matMul(tall, short, true)], 1),
      { Transpose: 1, FusedMatMul: 2, Concat: 1 },
    )
  })

  it('goes along with a transpose of the other side, a scaling and an addition', async () => {
    await assertOperators(
      ({ tall, turned, bias }) => {
        const other = tf.reshape(tf.slice(turned, [0, 0, 0], [5, 1, 6]), [5, 6])
        return tf.add(tf.mul(tf.matMul(tall, other, true, true), 3), bias)
      },
      { Slice: 1, Reshape: 1, Transpose: 1, Gemm: 1 },
    )
  })

  it('is the product’s own for short matrices, and for batches', async () => {
    await assertOperators(({ short, b }) => tf.matMul(short, b, true), { FusedMatMul: 1 })
    await assertOperators(({ batches }) => tf.matMul(batches, batches, true), { FusedMatMul: 1 })
  })
})

describe('A sum of rows on CPU', () => {
  it('is a product with a row of ones', async () => {
    await assertOperators(({ a }) => tf.sum(a, 0), { MatMul: 1, Reshape: 1 })
    await assertOperators(({ a }) => tf.sum(a, 0, true), { MatMul: 1 })
  })

  it('stays over other axes, of batches and of integers', async () => {
    await assertOperators(({ a }) => tf.sum(a, 1), { ReduceSum: 1 })
    await assertOperators(({ a }) => tf.sum(a), { ReduceSum: 1 })
    await assertOperators(({ batches }) => tf.sum(batches, 0), { ReduceSum: 1 })
    await assertOperators(({ whole }) => tf.sum(whole, 0), { ReduceSum: 1 })
  })
})

describe('The order of operators on CPU', () => {
  it('has those that nothing depends on last, the first ready the very last, and gives the same', async () => {
    const program: Program = ({ a, b }) => {
      const first = tf.tanh(a)
      const second = tf.exp(first)
      const third = tf.matMul(second, b)
      return { early: tf.sum(first), middle: tf.neg(second), late: tf.sigmoid(third) }
    }
    const graph = forCpu(await record(feeds, program))
    assert.deepEqual(
      graph.nodes.map(({ operator }) => operator),
      ['Tanh', 'Exp', 'MatMul', 'Sigmoid', 'Neg', 'ReduceSum'],
    )
    assertEqualResults(await execute(graph, feeds), await onCpu(feeds, program))
  })
})

describe('Rows that are added to an output on CPU', () => {
  const given: Feeds = {
    base: floats([5, 3], 1),
    rows: floats([4, 3], 2),
    ids: integers([4], [1, 4, 1, 0]),
    row: floats([3], 3),
  }
  const scattered = ({ rows, ids }: Tensors) => tf.scatterND(tf.reshape(ids, [4, 1]), rows, [5, 3])

  /** The outputs `sum`, to which the rows beside it are added, and `other`. */
  async function executeWithSum(graph: Graph): Promise<Results> {
    const results = await execute(graph, given)
    const values = Float32Array.from(results.sum.values)
    for (const [n, id] of results['sum.ids'].values.entries()) {
      for (let i = 0; i < 3; i++) values[id * 3 + i] += results['sum.rows'].values[n * 3 + i]
    }
    return { sum: { ...results.sum, values }, other: results.other }
  }

  it('are left to the host, which finds them among the outputs', async () => {
    const program: Program = (t) => ({ sum: tf.add(tf.tanh(t.base), scattered(t)), other: tf.exp(t.rows) })
    const { graph, additions } = lowerForCpu(await record(given, program))
    assert.deepEqual(additions, [{ to: 'sum', ids: 'sum.ids', rows: 'sum.rows' }])
    assert.deepEqual(operatorsOf(graph), { Tanh: 1, Exp: 1 })
    assertEqualResults(await executeWithSum(graph), await onCpu(given, program))
  })

  it('are left to the host, and added by a product to what the graph makes of the sum', async () => {
    const program: Program = (t) => {
      const sum = tf.add(tf.tanh(t.base), scattered(t))
      return { sum, other: tf.exp(sum) }
    }
    const { graph, additions } = lowerForCpu(await record(given, program))
    assert.equal(additions.length, 1)
    assertEqualResults(await executeWithSum(graph), await onCpu(given, program))
  })

  it('are added by a product where they are added to one row for all', async () => {
    const program: Program = (t) => ({ sum: tf.add(tf.tanh(t.row), scattered(t)) })
    const { graph, additions } = lowerForCpu(await record(given, program))
    assert.deepEqual(additions, [])
    assertEqualResults(await execute(graph, given), await onCpu(given, program))
  })

  it('are added by a product where the sum is used further', async () => {
    const program: Program = (t) => ({ y: tf.tanh(tf.add(t.base, scattered(t))) })
    const { graph, additions } = lowerForCpu(await record(given, program))
    assert.deepEqual(additions, [])
    assertEqualResults(await execute(graph, given), await onCpu(given, program))
  })
})
