// The GPT as a whole: its loss at the start, what it may look at, and its gradients.
import assert from 'node:assert/strict'
import * as tf from '@tensorflow/tfjs-core'
import { resolveModel } from '../../src/model/config.js'
import { crossEntropy, decode, head, type Parameters, unpack } from '../../src/model/gpt.js'
import { initialParameters, layoutOf } from '../../src/model/parameters.js'
import { lossAndGradients } from '../../src/model/step.js'
import { viewOf } from '../../src/tensor/layout.js'
import { made, onBackend, relativeDifference } from './backend.js'

const config = resolveModel({ preset: 'nano', width: 16, context: 8, headSize: 12 }, 23)
const layout = layoutOf(config)

/** Parameters far from their small initial values, so that every part of the model matters. */
function livelyParameters(): Float32Array {
  const noise = made(layout.size, 5)
  return initialParameters(config, 1).map((value, i) => value + 0.3 * noise[i])
}

function tokens(rows: number, length: number, seed = 1): tf.Tensor2D {
  const ids = Int32Array.from(made(rows * length, seed), (x) => Math.floor(((x + 1) / 2) * config.vocabulary))
  return tf.tensor2d(ids, [rows, length], 'int32')
}

/** Of one sequence of ids, [T, 1]. */
function logits(p: Parameters, ids: tf.Tensor2D): tf.Tensor2D {
  return head(p, decode(p, ids, config))
}

describe('A GPT', () => {
  onBackend('cpu')

  it('starts with a loss near ln(vocabulary)', () => {
    const p = unpack(tf.tensor1d(initialParameters(config, 3)), layout)
    const loss = crossEntropy(p, tokens(4, 9), config).dataSync()[0]
    assert.ok(Math.abs(loss - Math.log(config.vocabulary)) < 0.05, `${loss}`)
  })

  it('gives logits for past positions that no future token changes, and does use the past', () => {
    const p = unpack(tf.tensor1d(livelyParameters()), layout)
    const ids = tokens(1, 8).dataSync()
    const changed = ids.map((id, t) => (t === 5 ? (id + 1) % config.vocabulary : id))
    const run = (row: ArrayLike<number>) => logits(p, tf.tensor2d([...(row as Int32Array)], [8, 1], 'int32'))
    const [one, other] = [run(ids).dataSync(), run(changed).dataSync()]
    const at = (values: ArrayLike<number>, t: number) =>
      Array.from({ length: config.vocabulary }, (_, v) => values[t * config.vocabulary + v])
    for (let t = 0; t < 5; t++) assert.deepEqual(at(one, t), at(other, t))
    for (let t = 5; t < 8; t++)
      assert.ok(relativeDifference(at(one, t), at(other, t)) > 1e-3, `position ${t}`)
  })

  it('gives the same logits for a short sequence as for the start of a long one', () => {
    const p = unpack(tf.tensor1d(livelyParameters()), layout)
    const ids = tokens(8, 1)
    const long = logits(p, ids)
      .dataSync()
      .slice(0, 3 * config.vocabulary)
    const short = logits(p, tf.slice(ids, [0, 0], [3, 1])).dataSync()
    assert.ok(relativeDifference(short, long) < 1e-5)
  })

  it('has gradients equal to finite differences, for every tensor', () => {
    const theta = livelyParameters()
    const batch = tokens(2, 9)
    const lossAt = (values: Float32Array) => {
      return tf.tidy(() => crossEntropy(unpack(tf.tensor1d(values), layout), batch, config)).dataSync()[0]
    }
    const { gradients } = lossAndGradients(unpack(tf.tensor1d(theta), layout), batch, config, layout)
    for (const [i, tensor] of layout.tensors.entries()) {
      // Along its gradient g, the loss changes by |g| per unit of distance.
      const g = gradients[i].dataSync<'float32'>()
      const norm = Math.sqrt(g.reduce((sum, x) => sum + x * x, 0))
      const moved = (distance: number) => {
        const values = theta.slice()
        const view = viewOf(values, tensor)
        for (let j = 0; j < view.length; j++) view[j] += (distance * g[j]) / norm
        return lossAt(values)
      }
      const distance = 5e-3
      const slope = (moved(distance) - moved(-distance)) / (2 * distance)
      assert.ok(Math.abs(slope - norm) < 0.01 * norm + 2e-4, `${tensor.name}: ${slope} against ${norm}`)
    }
  })
})

describe('A GPT with a large hidden layer', () => {
  onBackend('wasm')

  it('takes its MLP on some rows at a time, with the same result', () => {
    const wide = resolveModel({ preset: 'nano', width: 64, layers: 1, context: 8 }, 23)
    const wideLayout = layoutOf(wide)
    const p = unpack(tf.tensor1d(initialParameters(wide, 1)), wideLayout)
    // 9000 rows of 256 hidden values are 9.2 MB: two parts of them; those of each sequence alone are one.
    const rows = 1125
    const batch = tokens(rows, 9)
    const whole = crossEntropy(p, batch, wide).dataSync()[0]
    const halves = [0, 1].map((half) => {
      const size = half === 0 ? 563 : 562
      return crossEntropy(p, tf.slice(batch, [half * 563, 0], [size, 9]), wide).dataSync()[0] * size
    })
    assert.ok(Math.abs(whole - (halves[0] + halves[1]) / rows) < 1e-5)
  })
})
