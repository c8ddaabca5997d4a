// Operations with gradients of their own under tracing: compiled, they equal their definitions in plain operations, in
// value and gradient, at sizes that take several blocks.
import assert from 'node:assert/strict'
import * as tf from '@tensorflow/tfjs-core'
import {
  causalAttention,
  plainCausalAttention,
  queryBlocks,
} from '../../../src/model/operations/attention.js'
import { embed, plainEmbed } from '../../../src/model/operations/embedding.js'
import { gelu, plainGelu } from '../../../src/model/operations/gelu.js'
import { layerNorm, plainLayerNorm } from '../../../src/model/operations/layer-norm.js'
import {
  plainTiedCrossEntropy,
  tiedCrossEntropy,
  tiedCrossEntropyLoss,
} from '../../../src/model/operations/tied-cross-entropy.js'
import {
  assertEqualResults,
  compiled,
  execute,
  type Feeds,
  floats,
  forCpu,
  integers,
  onCpu,
  operatorsOf,
  type Program,
  record,
} from '../trace/programs.js'

/** Float32 rounding over sums of a few hundred terms. */
const TOLERANCE = 2e-5

type Operation = (...inputs: tf.Tensor[]) => tf.Tensor

/** Value and gradients of an operation on the float inputs, under a given gradient of the value. */
function differentiated(of: (feeds: Readonly<Record<string, tf.Tensor>>) => Operation): Program {
  return (tensors) => {
    const inputs = Object.entries(tensors).filter(([name, { dtype }]) => name !== 'dy' && dtype === 'float32')
    const differentiate = tf.valueAndGrads(of(tensors))
    const { value, grads } = differentiate(
      inputs.map(([, tensor]) => tensor),
      tensors.dy,
    )
    return { value, ...Object.fromEntries(inputs.map(([name], i) => [`gradient of ${name}`, grads[i]])) }
  }
}

/** Compares the compiled operation with its definition on the cpu backend. */
async function assertEqual(feeds: Feeds, own: Program, plain: Program): Promise<void> {
  assertEqualResults(await compiled(feeds, own, forCpu), await onCpu(feeds, plain), TOLERANCE)
}

describe('A compiled operation with its own gradient', () => {
  it('equals plain layer normalisation', async () => {
    const feeds = {
      x: floats([130, 24], 1, 3),
      gain: floats([24], 2),
      offset: floats([24], 3),
      dy: floats([130, 24], 4),
    }
    const program = (operation: unknown) => differentiated(() => operation as Operation)
    await assertEqual(feeds, program(layerNorm), program(plainLayerNorm))
  })

  it('equals the plain GELU', async () => {
    const feeds = { x: floats([70, 9], 1, 6), dy: floats([70, 9], 2) }
    const program = (operation: unknown) => differentiated(() => operation as Operation)
    await assertEqual(feeds, program(gelu), program(plainGelu))
  })

  for (const context of [5, 70, 130, 300]) {
    it(`equals plain causal attention for ${context} positions`, async () => {
      const shape = { context, batch: 2, heads: 2, headSize: 4 }
      const size = [context * 2, 8]
      const feeds = {
        q: floats(size, 1, 3),
        k: floats(size, 2, 3),
        v: floats(size, 3, 3),
        dy: floats(size, 4),
      }
      const own: Operation = (q, k, v) =>
        causalAttention(q as tf.Tensor2D, k as tf.Tensor2D, v as tf.Tensor2D, queryBlocks(context), shape)
      const plain: Operation = (q, k, v) =>
        plainCausalAttention(q as tf.Tensor2D, k as tf.Tensor2D, v as tf.Tensor2D, shape)
      await assertEqual(
        feeds,
        differentiated(() => own),
        differentiated(() => plain),
      )
      assert.equal(queryBlocks(context).length > 1, context > 128)
    })
  }

  // The vocabulary is smaller than the tokens, and larger.
  for (const [vocabulary, count] of [
    [7, 40],
    [60, 40],
  ]) {
    it(`equals a plain embedding of ${count} tokens, ${vocabulary} there are`, async () => {
      const tokens = Array.from({ length: count }, (_, n) => (n * n + 3) % vocabulary)
      const feeds = {
        table: floats([vocabulary, 6], 1),
        tokens: integers([count], tokens),
        dy: floats([count, 6], 2),
      }
      const of = (operation: typeof embed) =>
        differentiated(
          ({ tokens: ids }) =>
            (table) =>
              operation(table as tf.Tensor2D, ids as tf.Tensor1D),
        )
      await assertEqual(feeds, of(embed), of(plainEmbed))
    })
  }

  const crossEntropy = (operation: typeof tiedCrossEntropy): Program =>
    differentiated(({ targets }) => (x, embedding) => {
      return operation(x as tf.Tensor2D, embedding as tf.Tensor2D, targets as tf.Tensor1D)
    })
  const batchOf = (N: number, V: number, D: number): Feeds => ({
    x: floats([N, D], 1, 3),
    embedding: floats([V, D], 2),
    targets: integers(
      [N],
      Array.from({ length: N }, (_, n) => (n * n * 31 + n) % V),
    ),
    dy: floats([], 3),
  })

  it('equals plain tied cross-entropy', async () => {
    await assertEqual(batchOf(66, 30, 8), crossEntropy(tiedCrossEntropy), crossEntropy(plainTiedCrossEntropy))
  })

  it('equals plain tied cross-entropy over several blocks of tokens', async () => {
    // Too large for the cpu backend: the definition is compiled as well, which is tested above at a smaller size.
    const feeds = batchOf(1200, 5000, 8)
    const graph = forCpu(await record(feeds, crossEntropy(tiedCrossEntropy)))
    const largest = Math.max(
      ...graph.nodes.flatMap(({ outputs }) => outputs.map(({ shape }) => shape[0] ?? 0)),
    )
    assert.ok(operatorsOf(graph).Softmax > 1, 'one block takes all')
    assert.ok(largest <= 5000)
    const plain = await compiled(feeds, crossEntropy(plainTiedCrossEntropy))
    assertEqualResults(await execute(graph, feeds), plain, TOLERANCE)
    const loss: Program = ({ x, embedding, targets }) => ({
      value: tiedCrossEntropyLoss(x as tf.Tensor2D, embedding as tf.Tensor2D, targets as tf.Tensor1D),
    })
    assertEqualResults(await compiled(feeds, loss, forCpu), { value: plain.value }, TOLERANCE)
  })

  it('equals its plain definition compiled, where it is compared with that', async () => {
    const feeds = batchOf(66, 30, 8)
    const plain = crossEntropy(plainTiedCrossEntropy)
    assertEqualResults(await compiled(feeds, plain), await onCpu(feeds, plain), TOLERANCE)
  })
})
