// Runs the tests of a suite on one TensorFlow.js backend.
import * as tf from '@tensorflow/tfjs-core'
import { openBackend } from '../../src/engine/backends.js'

/** Makes a backend the current one for a suite, and checks that each test frees its tensors. */
export function onBackend(name: 'cpu' | 'wasm'): void {
  let tensors = 0
  before(() => openBackend(name, 1))
  beforeEach(async () => {
    await tf.setBackend(name)
    tensors = tf.memory().numTensors
    tf.engine().startScope()
  })
  afterEach(() => {
    tf.engine().endScope()
    if (tf.memory().numTensors !== tensors) throw new Error('the test leaks tensors')
  })
}

/** Numbers in [-1, 1) that are the same in every run. */
export function made(length: number, seed = 1): Float32Array {
  let state = seed
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 31 - 1
  })
}

/** Largest difference between two lists, relative to the largest magnitude in `expected`, `least` at the least. */
export function relativeDifference(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  least = 0,
): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY
  let difference = 0
  let largest = least
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(actual[i] - expected[i]))
    largest = Math.max(largest, Math.abs(expected[i]))
  }
  return difference / (largest || 1)
}
