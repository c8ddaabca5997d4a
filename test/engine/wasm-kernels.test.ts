// The kernels that we replace on the wasm backend agree with the cpu backend, in the cases they cover and in
// those they leave to the stock kernels.
import assert from 'node:assert/strict'
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm'
import * as tf from '@tensorflow/tfjs-core'
import { openBackend } from '../../src/engine/backends.js'
import { eagerEngine } from '../../src/engine/eager.js'
import { expectedSteps, type MakeEngine, selfCheck, stepsOf } from '../../src/engine/self-check.js'
import { moduleOf } from '../../src/engine/wasm/heap.js'
import { made, relativeDifference } from '../model/backend.js'

const tensor = (shape: number[], seed = 1) => tf.tensor(made(tf.util.sizeFromShape(shape), seed), shape)
const integers = (values: number[]) => tf.tensor1d(values, 'int32')

/** The shape and the values that `work` gives on a backend; checks that nothing else stays behind. */
async function on(backend: string, work: () => tf.Tensor) {
  await tf.setBackend(backend)
  const before = tf.memory().numTensors
  const result = tf.tidy(work)
  const values = await result.data()
  result.dispose()
  assert.equal(tf.memory().numTensors, before)
  return { shape: result.shape, values: Float32Array.from(values) }
}

/** Makes eager engines on the wasm backend. */
async function onWasm(): Promise<MakeEngine> {
  const backend = await openBackend('wasm', 1)
  return (config, options) => eagerEngine(backend, config, options)
}

const cases: Record<string, () => tf.Tensor> = {
  'a product of matrices': () => tf.matMul(tensor([37, 41]), tensor([41, 35], 2)),
  'a product with its left side transposed': () => tf.matMul(tensor([41, 37]), tensor([41, 35], 2), true),
  'a product with its right side transposed': () =>
    tf.matMul(tensor([37, 41]), tensor([35, 41], 2), false, true),
  'a product with both sides transposed': () => tf.matMul(tensor([41, 37]), tensor([35, 41], 2), true, true),
  'a batch of products': () => tf.matMul(tensor([5, 33, 7]), tensor([5, 7, 40], 2)),
  'a batch of transposed products': () =>
    tf.matMul(tensor([2, 3, 7, 33]), tensor([2, 3, 40, 7], 2), true, true),
  'a batch of products with one matrix': () => tf.matMul(tensor([5, 6, 7]), tensor([1, 7, 8], 2)),
  'a contiguous slice': () => tf.slice(tensor([6, 5]), [2, 0], [3, 5]),
  'a slice to the end': () => tf.slice(tensor([20]), 7),
  'a slice of columns': () => tf.slice(tensor([6, 5]), [1, 2], [4, 2]),
  'a slice of integers': () => tf.slice(integers([1, 2, 3, 4]), 1, 2),
  'a choice by element': () => tf.where(tf.greater(tensor([4, 9]), 0), tensor([4, 9], 2), tensor([4, 9], 3)),
  'a choice by one scalar': () => tf.where(tf.scalar(false, 'bool'), tensor([9], 2), tensor([9], 3)),
  'a choice between integers': () =>
    tf.where(tf.tensor1d([1, 0], 'bool'), integers([1, 2]), integers([3, 4])),
  'a sum over the first axis': () => tf.sum(tensor([7, 9]), 0),
  'a sum over the first axis, kept': () => tf.sum(tensor([8, 9]), 0, true),
  'a sum over two leading axes': () => tf.sum(tensor([3, 5, 4]), [0, 1]),
  'a sum over the last axis': () => tf.sum(tensor([7, 9]), 1),
  'a sum over everything': () => tf.sum(tensor([7, 9])),
  'a sum of integers': () => tf.sum(tf.tensor2d([1, 2, 3, 4], [2, 2], 'int32'), 0),
  'a value repeated': () => tf.tile(tensor([1, 1]), [3, 4]),
  'a row repeated': () => tf.tile(tensor([1, 3]), [3, 2]),
  'rows gathered': () => tf.gather(tensor([5, 4]), integers([4, 0, 0, 2])),
  'columns gathered': () => tf.gather(tensor([5, 4]), integers([3, 0]), 1),
  'rows scattered with repetition': () =>
    tf.scatterND(tf.tensor2d([1, 1, 3], [3, 1], 'int32'), tensor([3, 4]), [5, 4]),
}

describe('A kernel replaced on the wasm backend', () => {
  before(async () => {
    await openBackend('cpu', 1)
    await openBackend('wasm', 1)
  })

  for (const [what, work] of Object.entries(cases)) {
    it(`agrees with the cpu backend on ${what}`, async () => {
      const actual = await on('wasm', work)
      const expected = await on('cpu', work)
      assert.deepEqual(actual.shape, expected.shape)
      assert.ok(relativeDifference(actual.values, expected.values) < 1e-6)
    })
  }

  it('agrees with the cpu backend on a whole training step', async () => {
    await selfCheck('wasm', await onWasm())
  })

  it('refuses to gather a row that is not there', async () => {
    await tf.setBackend('wasm')
    assert.throws(() => tf.tidy(() => tf.gather(tensor([5, 4]), integers([5]))), /row 5 of 5/)
  })
})

describe('The wasm heap', () => {
  it('refuses an allocation beyond its size instead of handing out a null pointer', async () => {
    await openBackend('wasm', 1)
    const { _malloc, _free } = moduleOf(tf.backend() as BackendWasm)
    const places: number[] = []
    const fill = () => {
      for (let i = 0; i < 5; i++) places.push(_malloc(2 ** 30))
    }
    assert.throws(fill, /no room for another 1024 MiB/)
    for (const place of places) _free(place)
  })
})

describe('The self-check', () => {
  it('expects what the cpu backend gives', async () => {
    const backend = await openBackend('cpu', 1)
    const steps = await stepsOf((config, options) => eagerEngine(backend, config, options))
    assert.equal(steps.length, expectedSteps.length)
    for (const [i, { loss, norm }] of steps.entries()) {
      assert.ok(Math.abs(loss / expectedSteps[i].loss - 1) < 1e-6, `loss ${loss}`)
      assert.ok(Math.abs(norm / expectedSteps[i].norm - 1) < 1e-6, `norm ${norm}`)
    }
  })

  it('fails for a backend whose arithmetic is wrong', async () => {
    const make = await onWasm()
    const wasm = tf.getKernel('Sigmoid', 'wasm')
    tf.unregisterKernel('Sigmoid', 'wasm')
    tf.registerKernel({ ...tf.getKernel('Tanh', 'wasm'), kernelName: 'Sigmoid' })
    try {
      await assert.rejects(selfCheck('wasm', make), /wasm fails its self-check: (loss|norm)/)
    } finally {
      tf.unregisterKernel('Sigmoid', 'wasm')
      tf.registerKernel({ ...wasm, setupFunc: undefined })
    }
    await selfCheck('wasm', make)
  })

  it('fails for a backend that lacks a kernel', async () => {
    const make = await onWasm()
    const softmax = tf.getKernel('Softmax', 'wasm')
    tf.unregisterKernel('Softmax', 'wasm')
    try {
      await assert.rejects(selfCheck('wasm', make), /wasm fails its self-check: .*Softmax/)
    } finally {
      tf.registerKernel({ ...softmax, setupFunc: undefined })
    }
  })
})
