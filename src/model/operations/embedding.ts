// Looks up rows of a table by token, with its gradient as one scatter.
import * as tf from '@tensorflow/tfjs-core'
import { withGradient } from './own-gradient.js'

/** The definition, in plain operations: a product with one-hot rows. */
export function plainEmbed(table_VD: tf.Tensor2D, tokens_N: tf.Tensor1D): tf.Tensor2D {
  // Some backends ignore a float type asked of oneHot, so it is cast.
  const oneHot_NV = tf.cast(tf.oneHot(tokens_N, table_VD.shape[0]), 'float32')
  return tf.matMul(oneHot_NV, table_VD)
}

/** Equals plainEmbed: [N] to [N, D]. The gradient adds each row of dy to the row of its token. */
export function embed(table_VD: tf.Tensor2D, tokens_N: tf.Tensor1D): tf.Tensor2D {
  const forward = () => ({ value: tf.gather(table_VD, tokens_N) as tf.Tensor2D, saved: [tokens_N] })
  return withGradient([table_VD], forward, (dy_ND, [tokens]) => {
    return [addRows(tokens as tf.Tensor1D, dy_ND, table_VD.shape)]
  })
}

/** A table of zeros to which row n of `rows_ND` is added at `tokens_N[n]`. */
export function addRows(tokens_N: tf.Tensor1D, rows_ND: tf.Tensor2D, shape: [number, number]): tf.Tensor2D {
  return tf.scatterND(tf.expandDims(tokens_N, 1), rows_ND, shape) as tf.Tensor2D
}
