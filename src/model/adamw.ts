// AdamW over a flat parameter buffer: Adam with decoupled weight decay (Loshchilov & Hutter, arXiv 1711.05101,
// algorithm 2) and clipping by the global norm (Pascanu et al., arXiv 1211.5063).
import * as tf from '@tensorflow/tfjs-core'
import type { InnerConfig } from '../swarmfile/schema.js'

export type AdamwOptions = Pick<InnerConfig, 'weightDecay' | 'beta1' | 'beta2' | 'epsilon' | 'clip'>

/** Parameters and moments, each flat [P]. */
export interface InnerTensors {
  readonly theta: tf.Tensor1D
  readonly m: tf.Tensor1D
  readonly v: tf.Tensor1D
}

/** What changes from step to step besides the tensors. */
export interface StepScalars {
  readonly learningRate: tf.Scalar
  /** 1 - beta1^t and 1 - beta2^t at the t-th update. */
  readonly correction1: tf.Scalar
  readonly correction2: tf.Scalar
}

/** The t-th update's bias corrections, t from 1. */
export function biasCorrections({ beta1, beta2 }: AdamwOptions, update: number): [number, number] {
  return [1 - beta1 ** update, 1 - beta2 ** update]
}

/** Global norm of gradients that lie in several tensors; summed row by row, for float32's sake. */
export function globalNorm(gradients: readonly tf.Tensor[]): tf.Scalar {
  const squares = gradients.map((g) => tf.sum(tf.sum(tf.square(g), -1)))
  return tf.sqrt(tf.addN(squares)) as tf.Scalar
}

/**
 * One update by the gradient `g` of the given norm.
 * @param decayed weight decay applies to theta[0, decayed)
 */
export function adamw(
  { theta, m, v }: InnerTensors,
  g: tf.Tensor1D,
  norm: tf.Scalar,
  { learningRate, correction1, correction2 }: StepScalars,
  decayed: number,
  { weightDecay, beta1, beta2, epsilon, clip }: AdamwOptions,
): InnerTensors {
  const clipped = tf.mul(g, tf.minimum(1, tf.div(clip, norm)))
  const m1 = tf.add(tf.mul(m, beta1), tf.mul(clipped, 1 - beta1)) as tf.Tensor1D
  const v1 = tf.add(tf.mul(v, beta2), tf.mul(tf.square(clipped), 1 - beta2)) as tf.Tensor1D

  const deviation = tf.add(tf.sqrt(tf.div(v1, correction2)), epsilon)
  const move = tf.mul(tf.div(m1, deviation), tf.div(learningRate, correction1))
  const shrink = tf.sub(1, tf.mul(learningRate, weightDecay))
  const shrunk = tf.mul(tf.slice(theta, 0, decayed), shrink)
  const kept = tf.slice(theta, decayed, theta.size - decayed)
  return { theta: tf.sub(tf.concat([shrunk, kept], 0), move) as tf.Tensor1D, m: m1, v: v1 }
}
