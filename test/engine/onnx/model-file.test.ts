// The ONNX file of a graph: read again by a reader of the tests' own, and by ONNX Runtime.
import assert from 'node:assert/strict'
import * as tf from '@tensorflow/tfjs-core'
import { openBackend } from '../../../src/engine/backends.js'
import { modelFile } from '../../../src/engine/onnx/model-file.js'
import { traceGradient, traceStep } from '../../../src/engine/onnx/programs.js'
import { loadRuntime } from '../../../src/engine/onnx/runtime.js'
import { resolveModel } from '../../../src/model/config.js'
import { runKernel } from '../../../src/model/operations/kernel.js'
import { layoutOf } from '../../../src/model/parameters.js'
import { innerSchema } from '../../../src/swarmfile/schema.js'
import { type Feeds, floats, forCpu, integers, type Program, plainly, record } from '../trace/programs.js'
import { type ModelProto, readModel } from './onnx-reader.js'

const [FLOAT, INT32, INT64, BOOL] = [1, 6, 7, 9]

const feeds: Feeds = { x: floats([2, 3], 1), ids: integers([4], [1, 0, 1, 1]) }

async function fileOf(program: Program): Promise<ModelProto> {
  return readModel(modelFile(plainly(await record(feeds, program))))
}

/** Every name is defined once, before it is used; every output is there. */
function assertWellFormed({ graph }: ModelProto): void {
  const known = new Set<string>()
  const define = (name: string) => {
    assert.ok(name !== '' && !known.has(name), `${name} is defined twice`)
    known.add(name)
  }
  for (const { name } of graph.inputs) define(name)
  for (const { name } of graph.initializers) define(name)
  for (const { operator, inputs, outputs } of graph.nodes) {
    for (const name of inputs) assert.ok(known.has(name), `${operator} uses ${name}, which is not there yet`)
    for (const name of outputs) define(name)
  }
  for (const { name } of graph.outputs) assert.ok(known.has(name), `the output ${name} is not there`)
}

describe('The file of a graph', () => {
  it('says which versions of the format and of the operators it uses', async () => {
    const { irVersion, producer, operatorSets, graph } = await fileOf(({ x }) => ({ y: tf.neg(x) }))
    assert.equal(irVersion, 8)
    assert.equal(producer, 'skein')
    assert.deepEqual(operatorSets, { '': 20, 'com.microsoft': 1 })
    assert.equal(graph.name, 'program')
  })

  it('has names, types and shapes of inputs and outputs, in their order', async () => {
    const { graph } = await fileOf(({ x, ids }) => ({
      more: tf.greater(x, 0),
      sum: tf.sum(x),
      rows: tf.gather(x, ids as tf.Tensor1D),
      same: ids,
    }))
    assert.deepEqual(graph.inputs, [
      { name: 'x', type: FLOAT, shape: [2, 3] },
      { name: 'ids', type: INT32, shape: [4] },
    ])
    assert.deepEqual(graph.outputs, [
      { name: 'more', type: BOOL, shape: [2, 3] },
      { name: 'sum', type: FLOAT, shape: [] },
      { name: 'rows', type: FLOAT, shape: [4, 3] },
      { name: 'same', type: INT32, shape: [4] },
    ])
  })

  it('has every operator with its domain, its inputs and attributes of each type', async () => {
    const { graph } = await fileOf(({ x }) => {
      const gelu = runKernel('Gelu', { x })![0]
      const gain = tf.ones([3])
      const [norm] = runKernel('LayerNormalization', { x: gelu, gain, offset: gain }, { epsilon: 0.25 })!
      return { y: tf.matMul(tf.transpose(norm), x, true, true) }
    })
    const [gelu, norm, transpose, product] = graph.nodes
    assert.deepEqual([gelu.operator, gelu.domain, gelu.inputs], ['Gelu', '', ['x']])
    assert.deepEqual([gelu.attributes, gelu.attributeTypes], [{ approximate: 'tanh' }, { approximate: 3 }])
    assert.deepEqual([norm.operator, norm.inputs.length, norm.outputs.length], ['LayerNormalization', 3, 3])
    assert.deepEqual(norm.inputs[0], gelu.outputs[0])
    assert.deepEqual(norm.attributes, { axis: -1, epsilon: 0.25 })
    assert.deepEqual(norm.attributeTypes, { axis: 2, epsilon: 1 })
    assert.deepEqual([transpose.operator, transpose.inputs], ['Transpose', [norm.outputs[0]]])
    assert.deepEqual([transpose.attributes, transpose.attributeTypes], [{ perm: [1, 0] }, { perm: 7 }])
    assert.deepEqual([product.operator, product.domain], ['FusedMatMul', 'com.microsoft'])
    assert.deepEqual(product.attributes, { transA: 1, transB: 1 })
    assert.deepEqual([product.inputs, product.outputs], [[transpose.outputs[0], 'x'], ['y']])
  })

  it('has constants of all types with their bits', async () => {
    const { graph } = await fileOf(({ x, ids }) => ({
      a: tf.add(x, tf.tensor2d([1.5, -0, 3, 1e-40, Number.POSITIVE_INFINITY, 6], [2, 3])),
      b: tf.add(ids, tf.tensor1d([1, -2, 3, 2 ** 31 - 1], 'int32')),
      c: tf.logicalAnd(tf.equal(ids, ids), tf.tensor1d([true, false, true, true], 'bool')),
      d: tf.transpose(tf.reshape(tf.add(x, 0.5), [3, 2])),
    }))
    const found = (type: number, shape: number[]) => {
      const tensor = graph.initializers.find((one) => one.type === type && `${one.shape}` === `${shape}`)
      assert.ok(tensor !== undefined, `no constant of type ${type} and shape [${shape}]`)
      return tensor.bytes.slice().buffer
    }
    const expected = Float32Array.of(1.5, -0, 3, 1e-40, Number.POSITIVE_INFINITY, 6)
    assert.deepEqual(new Uint32Array(found(FLOAT, [2, 3])), new Uint32Array(expected.buffer))
    assert.deepEqual([...new Int32Array(found(INT32, [4]))], [1, -2, 3, 2 ** 31 - 1])
    assert.deepEqual([...new Uint8Array(found(BOOL, [4]))], [1, 0, 1, 1])
    assert.deepEqual([...new BigInt64Array(found(INT64, [2]))], [3n, 2n])
    assert.deepEqual([...new Float32Array(found(FLOAT, []))], [0.5])
  })

  it('does not write uniform constants out in full, where an operator needs them in full either', async () => {
    const graph = await record(feeds, ({ x }) => {
      const large = tf.fill([1000, 1000], 0.5)
      return { y: tf.matMul(large, tf.ones([1000, 7])), z: tf.add(tf.sum(x), tf.ones([500, 500])) }
    })
    const file = modelFile(graph)
    assert.ok(file.length < 10_000, `the file has ${file.length} bytes`)
    const model = readModel(file)
    assertWellFormed(model)
    assert.ok(model.graph.initializers.every(({ bytes }) => bytes.length <= 16))
  })

  it('is well-formed for the programs of a training, as recorded and as lowered', async () => {
    await openBackend('cpu', 1)
    const config = resolveModel({ preset: 'nano' }, 16)
    const model = { config, layout: layoutOf(config) }
    const step = forCpu(await traceStep(model, 2, innerSchema.parse({})))
    for (const graph of [plainly(await traceGradient(model, 2)), step])
      assertWellFormed(readModel(modelFile(graph)))
  })

  it('is what ONNX Runtime takes it for', async () => {
    const runtime = await loadRuntime()
    const graph = await record(feeds, ({ x, ids }) => ({
      rows: tf.gather(tf.neg(x), ids as tf.Tensor1D),
      same: x,
    }))
    const session = await runtime.InferenceSession.create(modelFile(graph))
    try {
      assert.deepEqual([...session.inputNames], ['x', 'ids'])
      assert.deepEqual([...session.outputNames], ['rows', 'same'])
      const described = [...session.inputMetadata, ...session.outputMetadata].map((value) => {
        return value.isTensor ? [value.name, value.type, ...value.shape] : [value.name]
      })
      assert.deepEqual(described, [
        ['x', 'float32', 2, 3],
        ['ids', 'int32', 4],
        ['rows', 'float32', 4, 3],
        ['same', 'float32', 2, 3],
      ])
    } finally {
      await session.release()
    }
  })
})
