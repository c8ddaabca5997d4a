// The programs of a training, as traced: executed, each gives what the model's own code gives on the cpu backend.
import * as tf from '@tensorflow/tfjs-core'
import { registerGradients } from '../../../src/engine/gradients.js'
import {
  traceEvaluation,
  traceFlatGradient,
  traceNextLogits,
  tracePull,
  traceSquares,
  traceStep,
  traceUpdate,
} from '../../../src/engine/onnx/programs.js'
import type { Graph } from '../../../src/engine/trace/graph.js'
import { adamw } from '../../../src/model/adamw.js'
import { resolveModel } from '../../../src/model/config.js'
import { crossEntropy, decode, head, type Parameters, unpack } from '../../../src/model/gpt.js'
import { initialParameters, layoutOf } from '../../../src/model/parameters.js'
import { lossAndGradients, type StepInputs, trainingStep } from '../../../src/model/step.js'
import { viewOf } from '../../../src/tensor/layout.js'
import {
  assertEqualResults,
  execute,
  type Feeds,
  floats,
  type Given,
  integers,
  onCpu,
  type Program,
  plainly,
} from '../trace/programs.js'

const TOLERANCE = 2e-5
const options = { weightDecay: 0.1, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, clip: 0.5 }
const config = resolveModel({ preset: 'nano', width: 16, context: 8 }, 23)
const layout = layoutOf(config)
const model = { config, layout }
const ROWS = 3

const scalar = (data: number): Given => ({ shape: [], dtype: 'float32', data: Float32Array.of(data) })
const flat = (data: Float32Array): Given => ({ shape: [data.length], dtype: 'float32', data })
const positive = (given: Given): Given => ({ ...given, data: (given.data as Float32Array).map(Math.abs) })
const ids = (rows: number, length: number): Given =>
  integers(
    [rows, length],
    Array.from({ length: rows * length }, (_, i) => (i * i + 5) % config.vocabulary),
  )

const theta = initialParameters(config, 1)
const scalars = { learningRate: scalar(0.01), correction1: scalar(0.19), correction2: scalar(0.0975) }
const leaves = Object.fromEntries(
  layout.tensors.map((tensor) => [
    tensor.name,
    { shape: tensor.shape, dtype: 'float32', data: viewOf(theta, tensor).slice() } as Given,
  ]),
)

async function assertEqual(graph: Promise<Graph>, feeds: Feeds, expected: Program): Promise<void> {
  assertEqualResults(await execute(plainly(await graph), feeds), await onCpu(feeds, expected), TOLERANCE)
}

describe('A traced program', () => {
  before(() => registerGradients())

  it('updates parameters and moments as AdamW does, decayed ones and others', async () => {
    const feeds = {
      theta: floats([11], 1),
      m: floats([11], 2),
      v: positive(floats([11], 3)),
      gradient: floats([11], 4),
      norm: scalar(2),
      ...scalars,
    }
    await assertEqual(traceUpdate(11, 6, options), feeds, (given) => {
      const state = given as unknown as StepInputs
      const g = given.gradient as tf.Tensor1D
      const next = adamw(state, g, given.norm as tf.Scalar, state, 6, options)
      return { nextTheta: next.theta, nextM: next.m, nextV: next.v }
    })
  })

  it('sums the squares of a gradient', async () => {
    await assertEqual(traceSquares(300), { gradient: floats([300], 1) }, ({ gradient }) => {
      return { squares: tf.sum(tf.square(gradient)) }
    })
  })

  it('pulls parameters toward an anchor by a strength', async () => {
    const feeds = { theta: floats([9], 1), anchor: floats([9], 2), strength: scalar(0.25) }
    await assertEqual(tracePull(9), feeds, (given) => {
      return { nextTheta: tf.add(tf.mul(given.theta, 0.75), tf.mul(given.anchor, 0.25)) }
    })
  })

  it('differentiates the loss by all parameters at once', async () => {
    const feeds = { theta: flat(theta), tokens: ids(ROWS, config.context + 1) }
    await assertEqual(traceFlatGradient(model, ROWS), feeds, (given) => {
      const parameters = unpack(given.theta as tf.Tensor1D, layout)
      const { loss, gradients } = lossAndGradients(parameters, given.tokens as tf.Tensor2D, config, layout)
      return { loss, gradient: tf.concat(gradients.map((gradient) => tf.reshape(gradient, [-1]))) }
    })
  })

  it('takes a whole step: forward, backward, clip and AdamW', async () => {
    const feeds = {
      theta: flat(theta),
      m: floats([layout.size], 2, 1e-3),
      v: positive(floats([layout.size], 3, 1e-4)),
      tokens: ids(ROWS, config.context + 1),
      ...scalars,
    }
    await assertEqual(traceStep(model, ROWS, options), feeds, (given) => {
      const next = trainingStep(given as unknown as StepInputs, config, layout, options)
      const { loss, norm } = next
      return { nextTheta: next.theta, nextM: next.m, nextV: next.v, loss, norm }
    })
  })

  it('leaves the state as it was where a whole step is not finite', async () => {
    const broken = theta.slice()
    broken[0] = Number.POSITIVE_INFINITY
    const state = { theta: flat(broken), m: floats([layout.size], 2), v: positive(floats([layout.size], 3)) }
    const feeds = { ...state, tokens: ids(ROWS, config.context + 1), ...scalars }
    const { nextM, nextV } = await execute(plainly(await traceStep(model, ROWS, options)), feeds)
    const unchanged = await onCpu(state, ({ m, v }) => ({ nextM: m, nextV: v }))
    assertEqualResults({ nextM, nextV }, unchanged, 0)
  })

  it('evaluates the loss without a gradient', async () => {
    const feeds = { ...leaves, tokens: ids(ROWS, config.context + 1) }
    await assertEqual(traceEvaluation(model, ROWS), feeds, (given) => {
      return { loss: crossEntropy(given as Parameters, given.tokens as tf.Tensor2D, config) }
    })
  })

  for (const length of [1, 5, 8]) {
    it(`gives the logits after ${length} of 8 tokens, whatever follows them`, async () => {
      const tokens = ids(config.context, 1)
      const feeds = { ...leaves, tokens, last: integers([1], [length - 1]) }
      await assertEqual(traceNextLogits(model), feeds, (given) => {
        const seen = tf.slice(given.tokens as tf.Tensor2D, 0, length)
        const x_TD = decode(given as Parameters, seen, config)
        const logits = head(given as Parameters, tf.slice(x_TD, length - 1, 1))
        return { logits: tf.reshape(logits, [config.vocabulary]) }
      })
    })
  }
})
