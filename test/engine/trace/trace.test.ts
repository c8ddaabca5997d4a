// What the tracer records, what it leaves out, and what it refuses.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import * as tf from '@tensorflow/tfjs-core'
import { openBackend } from '../../../src/engine/backends.js'
import { type Graph, TraceError } from '../../../src/engine/trace/graph.js'
import { trace } from '../../../src/engine/trace/trace.js'
import {
  assertEqualResults,
  compiled,
  type Feeds,
  floats,
  integers,
  onCpu,
  operatorsOf,
  type Program,
  record,
} from './programs.js'

const feeds: Feeds = {
  x: floats([2, 3], 1),
  row: floats([3], 2),
  ids: integers([2], [1, 0]),
}

/** The operators of a program of x, a row and ids. */
const operators = async (program: Program) => operatorsOf(await record(feeds, program))

async function assertRefused(program: Program, message: RegExp): Promise<void> {
  await assert.rejects(record(feeds, program), (error: unknown) => {
    assert.ok(error instanceof TraceError, `${error}`)
    assert.match(error.message, message)
    return true
  })
}

describe('A trace', () => {
  it('refuses a kernel that is not on its list by name, and says what to do', async () => {
    await assertRefused(
      ({ x }) => ({ y: tf.cos(x) }),
      /the operation Cos cannot be compiled: write it in other/,
    )
    await assertRefused(({ x }) => ({ y: tf.cumsum(x) }), /the operation Cumsum/)
  })

  it('refuses control flow that depends on data, however a value is read', async () => {
    const control = /data-dependent control flow: the program reads the value of a tensor/
    await assertRefused(({ x }) => ({ y: x.dataSync()[0] > 0 ? x : tf.neg(x) }), control)
    await assertRefused(({ x }) => ({ y: tf.mul(x, (tf.max(x).arraySync() as number) + 1) }), control)
    await assertRefused(({ x }) => ({ y: tf.reshape(x, [x.bufferSync().get(0, 0), -1]) }), control)
  })

  it('refuses a tensor that was made before it, rather than reading it from another backend', async () => {
    await openBackend('cpu', 1)
    const early = tf.ones([2, 3])
    await assertRefused(({ x }) => ({ y: tf.add(x, early) }), /of shape \[2,3\] was made before the trace/)
    early.dispose()
  })

  it('refuses inputs and outputs that share names', async () => {
    await assertRefused(({ x, row }) => ({ x: tf.neg(x), row }), /inputs and outputs share the names x, row/)
  })

  it('refuses forms of a kernel that it cannot record, saying which', async () => {
    await assertRefused(({ x, ids }) => {
      const rows = tf.reshape(ids, [2, 1]) as tf.Tensor2D
      return { y: tf.gather(x, rows, 1, 1) }
    }, /GatherV2 cannot be compiled with batch dimensions/)
    await assertRefused(({ ids }) => {
      return { y: tf.scatterND(tf.reshape(ids, [1, 2]), tf.ones([1]), [2, 3]) }
    }, /ScatterNd cannot be compiled of indices \[1,2\] into \[2,3\]/)
    await assertRefused(({ ids }) => {
      return { y: tf.scatterND(tf.reshape(ids, [2, 1]), tf.ones([2, 3], 'int32'), [4, 3]) }
    }, /ScatterNd cannot be compiled of int32 rows/)
    await assertRefused(({ x, row }) => {
      return { y: tf.fused.matMul({ a: x, b: tf.reshape(row, [3, 1]), activation: 'relu' }) }
    }, /_FusedMatMul cannot be compiled with the activation relu/)
    await assertRefused(
      ({ x }) => ({ y: tf.matMul(x, x) }),
      /of \[2,3\] and \[2,3\]: their inner sizes differ/,
    )
    await assertRefused(({ x }) => ({ y: tf.complex(x, x) }), /complex/i)
  })

  it('passes on the program’s own errors', async () => {
    const failing: Program = () => {
      throw new RangeError('the program failed')
    }
    await assert.rejects(record(feeds, failing), RangeError)
    await assert.rejects(
      record(feeds, ({ x }) => ({ y: tf.reshape(x, [4]) })),
      /must match the product of shape 4/,
    )
  })

  it('leaves the backend that was in use the current one, and no tensors, also where it fails', async () => {
    await openBackend('cpu', 1)
    const { numTensors } = tf.memory()
    await record(feeds, ({ x }) => ({ y: tf.square(x) }))
    assert.equal(tf.getBackend(), 'cpu')
    await assert.rejects(record(feeds, ({ x }) => ({ y: tf.cos(tf.square(x)) })))
    assert.equal(tf.getBackend(), 'cpu')
    assert.equal(tf.memory().numTensors, numTensors)
  })

  it('needs no backend to have been chosen before it', async () => {
    const thread = new Worker(new URL('./fresh-thread.js', import.meta.url))
    const [operators] = await once(thread, 'message')
    assert.deepEqual(operators, ['Mul', 'Tanh'])
    await thread.terminate()
  })

  it('that begins before another has ended records its own program', async () => {
    await openBackend('cpu', 1)
    const of = (program: Program) => trace({ x: { shape: [2], dtype: 'float32' } }, program)
    const graphs = await Promise.all([
      of(({ x }) => ({ y: tf.square(x) })),
      of(({ x }) => ({ y: tf.exp(tf.neg(x)) })),
      of(({ x }) => ({ y: tf.cos(x) })).catch(() => null),
      of(({ x }) => ({ y: tf.tanh(x) })),
    ])
    assert.deepEqual(
      graphs.map((graph) => graph && Object.keys(operatorsOf(graph))),
      [['Mul'], ['Neg', 'Exp'], null, ['Tanh']],
    )
    assert.equal(tf.getBackend(), 'cpu')
  })

  it('records inputs and outputs with their names, types and shapes', async () => {
    const { inputs, outputs } = await record(feeds, ({ x, ids }) => ({
      sum: tf.sum(x),
      more: tf.greater(ids, 0),
    }))
    const described = (list: Graph['inputs']) =>
      list.map(({ name, value }) => [name, value.type, ...value.shape])
    assert.deepEqual(described(inputs), [
      ['x', 'float32', 2, 3],
      ['row', 'float32', 3],
      ['ids', 'int32', 2],
    ])
    assert.deepEqual(described(outputs), [
      ['sum', 'float32'],
      ['more', 'bool', 2],
    ])
  })

  it('leaves out what no output needs', async () => {
    const recorded = await operators(({ x }) => {
      tf.exp(tf.neg(x))
      return { y: tf.tanh(x) }
    })
    assert.deepEqual(recorded, { Tanh: 1 })
  })

  it('computes again what the program computes twice: it may be meant not to be kept in between', async () => {
    assert.deepEqual(await operators(({ x }) => ({ y: tf.tanh(x), z: tf.tanh(x) })), { Tanh: 2 })
  })

  it('has no operator for neutral elements, whatever shape they have', async () => {
    const recorded = await operators(({ x, row }) => ({
      a: tf.tanh(tf.add(tf.mul(x, 1), 0)),
      b: tf.tanh(tf.sub(tf.div(x, tf.onesLike(x)), tf.zeros([2, 3]))),
      c: tf.tanh(tf.add(0, tf.mul(tf.ones([3]), row))),
    }))
    assert.deepEqual(recorded, { Tanh: 3 })
    const kept = await operators(({ x }) => ({
      a: tf.sub(0, x),
      b: tf.div(1, x),
      c: tf.mul(x, 0),
      d: tf.add(x, 1),
    }))
    assert.deepEqual(kept, { Sub: 1, Div: 1, Mul: 1, Add: 1 })
  })

  it('has no operator for the gradient of a sum, which is everywhere one', async () => {
    assert.deepEqual(await operators(({ x }) => ({ dx: tf.grad((y) => tf.sum(tf.mul(y, y)))(x) })), {
      Add: 1,
    })
  })

  it('makes reshapes of reshapes one, and none of those that lead back', async () => {
    const recorded = await operators(({ x }) => ({
      there: tf.tanh(tf.reshape(tf.reshape(x, [6]), [3, 2])),
      back: tf.exp(tf.reshape(tf.reshape(x, [6]), [2, 3])),
    }))
    assert.deepEqual(recorded, { Tanh: 1, Exp: 1, Reshape: 1 })
  })

  it('makes a transpose that moves nothing a reshape', async () => {
    const recorded = await operators(({ x }) => ({ y: tf.transpose(tf.reshape(x, [2, 1, 3]), [1, 0, 2]) }))
    assert.equal(recorded.Transpose, undefined)
  })

  it('takes inputs, constants and one value under two names for outputs', async () => {
    const program: Program = ({ x, row }) => {
      const y = tf.tanh(x)
      const one = tf.range(0, 3)
      return { same: x, y, again: y, repeated: tf.mul(row, tf.ones([4, 3])), one, seven: tf.fill([2, 2], 7) }
    }
    assertEqualResults(await compiled(feeds, program), await onCpu(feeds, program))
  })

  it('takes any names for inputs and outputs, those that look like the file’s own included', async () => {
    const values = await record(feeds, ({ x }) => ({ y: tf.exp(tf.tanh(tf.add(x, 3))) }))
    const ids = values.nodes.flatMap(({ inputs, outputs }) => [...inputs, ...outputs].map(({ id }) => id))
    for (const name of ids.flatMap((id) => [`v${id}`, `c${id}`, `${id}`])) {
      const input: Program = (t) => ({ y: tf.exp(tf.tanh(tf.add(t[name], 3))) })
      assertEqualResults(await compiled({ [name]: feeds.x }, input), await onCpu({ [name]: feeds.x }, input))
      const output: Program = ({ x }) => ({ [name]: tf.exp(tf.tanh(tf.add(x, 3))) })
      assertEqualResults(await compiled(feeds, output), await onCpu(feeds, output))
    }
  })
})
