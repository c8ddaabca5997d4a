// AdamW against a reference in plain JavaScript.
import assert from 'node:assert/strict'
import * as tf from '@tensorflow/tfjs-core'
import { type AdamwOptions, adamw, biasCorrections, globalNorm } from '../../src/model/adamw.js'
import { made, onBackend, relativeDifference } from './backend.js'

const options: AdamwOptions = { weightDecay: 0.1, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, clip: 1 }
const SIZE = 10
const DECAYED = 6

interface State {
  theta: number[]
  m: number[]
  v: number[]
}

/** Algorithm 2 of arXiv 1711.05101, value by value in float64, with clipping by the global norm. */
function reference({ theta, m, v }: State, g: number[], lr: number, t: number, o: AdamwOptions): State {
  const norm = Math.sqrt(g.reduce((sum, x) => sum + x * x, 0))
  const clipped = g.map((x) => (norm > o.clip ? (x * o.clip) / norm : x))
  const m1 = m.map((x, i) => o.beta1 * x + (1 - o.beta1) * clipped[i])
  const v1 = v.map((x, i) => o.beta2 * x + (1 - o.beta2) * clipped[i] ** 2)
  const theta1 = theta.map((x, i) => {
    const step = m1[i] / (1 - o.beta1 ** t) / (Math.sqrt(v1[i] / (1 - o.beta2 ** t)) + o.epsilon)
    return x - lr * (step + (i < DECAYED ? o.weightDecay * x : 0))
  })
  return { theta: theta1, m: m1, v: v1 }
}

function tensors({ theta, m, v }: State) {
  return { theta: tf.tensor1d(theta), m: tf.tensor1d(m), v: tf.tensor1d(v) }
}

function update(state: State, g: number[], lr: number, t: number): State {
  const gradient = tf.tensor1d(g)
  const [correction1, correction2] = biasCorrections(options, t).map((value) => tf.scalar(value))
  const scalars = { learningRate: tf.scalar(lr), correction1, correction2 }
  const next = adamw(tensors(state), gradient, globalNorm([gradient]), scalars, DECAYED, options)
  const values = (tensor: tf.Tensor) => [...tensor.dataSync()]
  return { theta: values(next.theta), m: values(next.m), v: values(next.v) }
}

describe('AdamW', () => {
  onBackend('cpu')

  it('equals its reference over several steps, with gradients above and below the clip', () => {
    let actual: State = { theta: [...made(SIZE, 1)], m: Array(SIZE).fill(0), v: Array(SIZE).fill(0) }
    let expected = actual
    for (let t = 1; t <= 6; t++) {
      const g = [...made(SIZE, 10 + t)].map((x) => x * (t % 2 === 0 ? 3 : 0.05))
      actual = update(actual, g, 0.01 * t, t)
      expected = reference(expected, g, 0.01 * t, t, options)
      for (const part of ['theta', 'm', 'v'] as const) {
        assert.ok(relativeDifference(actual[part], expected[part]) < 1e-6, `${part} at update ${t}`)
      }
    }
  })

  it('moves each parameter by about the learning rate at first, whatever the size of its gradient', () => {
    const start: State = { theta: Array(SIZE).fill(0), m: Array(SIZE).fill(0), v: Array(SIZE).fill(0) }
    const g = [...made(SIZE, 3)].map((x) => x / 100)
    for (const [i, moved] of update(start, g, 0.01, 1).theta.entries()) {
      assert.ok(Math.abs(moved + 0.01 * Math.sign(g[i])) < 1e-6)
    }
  })

  it('leaves parameters alone when gradient and decay are zero', () => {
    const start: State = { theta: [...made(SIZE, 1)], m: Array(SIZE).fill(0), v: Array(SIZE).fill(0) }
    const next = update(start, Array(SIZE).fill(0), 0.01, 1)
    assert.deepEqual(next.theta.slice(DECAYED), start.theta.slice(DECAYED))
    for (let i = 0; i < DECAYED; i++) assert.ok(Math.abs(next.theta[i] - start.theta[i] * 0.999) < 1e-7)
  })
})

describe('The global norm', () => {
  onBackend('cpu')

  it('takes all tensors together', () => {
    const norm = globalNorm([
      tf.tensor2d([
        [3, 0],
        [0, 4],
      ]),
      tf.tensor1d([12]),
    ])
    assert.equal(norm.dataSync()[0], 13)
  })
})
