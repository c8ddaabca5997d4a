// Rewriting a graph: what no rule touches stays as it is, and rules see what they need.
import assert from 'node:assert/strict'
import * as tf from '@tensorflow/tfjs-core'
import { openBackend } from '../../../src/engine/backends.js'
import { traceGradient, traceStep } from '../../../src/engine/onnx/programs.js'
import type { Graph, Value } from '../../../src/engine/trace/graph.js'
import { type Rule, rewrite } from '../../../src/engine/trace/rewrite.js'
import { resolveModel } from '../../../src/model/config.js'
import { layoutOf } from '../../../src/model/parameters.js'
import { innerSchema } from '../../../src/swarmfile/schema.js'
import {
  assertEqualResults,
  execute,
  type Feeds,
  floats,
  onCpu,
  operatorsOf,
  type Program,
  record,
} from './programs.js'

/** Everything about a graph but the numbers of its values, which are renamed by their first appearance. */
function described(graph: Graph): unknown {
  const names = new Map<number, string>()
  const nameOf = (value: Value): unknown => {
    const { id, type, shape, source } = value
    const known = names.get(id)
    if (known !== undefined) return known
    names.set(id, `value ${names.size}`)
    const origin = source.kind === 'node' ? source.node.operator : source
    return [names.get(id), type, shape, origin]
  }
  const named = ({ name, value }: Graph['inputs'][number]) => [name, nameOf(value)]
  return {
    inputs: graph.inputs.map(named),
    nodes: graph.nodes.map(({ operator, domain, attributes, inputs, outputs }) => {
      return [operator, domain, attributes, inputs.map(nameOf), outputs.map(nameOf)]
    }),
    outputs: graph.outputs.map(named),
  }
}

const feeds: Feeds = { x: floats([2, 3], 1), row: floats([3], 2) }

const negToSquare: Rule = (node, { record }) => {
  if (node.operator !== 'Neg') return null
  return [record.one('Mul', [node.inputs[0], node.inputs[0]], node.outputs[0].shape)]
}

describe('A graph rewritten by no rule', () => {
  // Brings the gradients.
  before(() => openBackend('cpu', 1))

  it('is the same graph, for whole programs of a training', async () => {
    const config = resolveModel({ preset: 'nano', layers: 1 }, 16)
    const model = { config, layout: layoutOf(config) }
    const options = innerSchema.parse({})
    for (const graph of [await traceGradient(model, 2), await traceStep(model, 2, options)]) {
      assert.ok(graph.nodes.length > 100)
      assert.deepEqual(described(rewrite(graph, [])), described(graph))
    }
  })

  it('loses only what its outputs do not need', async () => {
    const graph = await record(feeds, ({ x }) => ({ y: tf.tanh(x), z: tf.exp(tf.neg(x)) }))
    const less = rewrite({ ...graph, outputs: graph.outputs.slice(0, 1) }, [])
    assert.deepEqual(operatorsOf(less), { Tanh: 1 })
  })
})

describe('A rule', () => {
  it('replaces an operator for all who use it, and the rest stays', async () => {
    const program: Program = ({ x, row }) => {
      const negative = tf.neg(x)
      return { negative, sum: tf.add(tf.tanh(negative), row) }
    }
    const graph = rewrite(await record(feeds, program), [negToSquare])
    assert.deepEqual(operatorsOf(graph), { Mul: 1, Tanh: 1, Add: 1 })
    const expected = await onCpu(feeds, ({ x, row }) => {
      const square = tf.square(x)
      return { negative: square, sum: tf.add(tf.tanh(square), row) }
    })
    assertEqualResults(await execute(graph, feeds), expected)
  })

  it('that comes first wins', async () => {
    const never: Rule = () => assert.fail('a later rule was asked')
    const graph = await record(feeds, ({ x }) => ({ y: tf.neg(x) }))
    assert.deepEqual(operatorsOf(rewrite(graph, [negToSquare, never])), { Mul: 1 })
  })

  it('learns whether a value is used once, outputs of the graph counting as uses', async () => {
    const seen: Record<string, boolean> = {}
    const look: Rule = ({ operator, inputs }, { isUsedOnce }) => {
      if (operator !== 'Neg') seen[operator] = isUsedOnce(inputs[0])
      return null
    }
    const graph = await record(feeds, ({ x }) => {
      const [once, twice, given] = [tf.neg(x), tf.neg(x), tf.neg(x)]
      return { a: tf.exp(once), b: tf.tanh(twice), c: tf.sigmoid(twice), d: tf.sqrt(given), given }
    })
    rewrite(graph, [look])
    assert.deepEqual(seen, { Exp: true, Tanh: false, Sigmoid: false, Sqrt: false })
  })

  it('that gives back a value in use adds its uses to those that there are', async () => {
    const seen: Record<string, boolean> = {}
    const leaveOut: Rule = ({ operator, inputs }) => (operator === 'Neg' ? [inputs[0]] : null)
    const look: Rule = ({ operator, inputs }, { isUsedOnce }) => {
      if (operator !== 'Exp') seen[operator] = isUsedOnce(inputs[0])
      return null
    }
    const graph = await record(feeds, ({ x }) => {
      const value = tf.exp(x)
      return { a: tf.tanh(tf.neg(value)), b: tf.sigmoid(value) }
    })
    rewrite(graph, [leaveOut, look])
    assert.deepEqual(seen, { Tanh: false, Sigmoid: false })
  })
})
