// Kernels beyond TensorFlow.js's own, which some backends have: one pass where others need several.
import * as tf from '@tensorflow/tfjs-core'

/** The kernel's outputs on the current backend, or null where it has no such kernel. */
export function runKernel(
  name: string,
  inputs: Readonly<Record<string, tf.Tensor>>,
  attributes: tf.NamedAttrMap = {},
): tf.Tensor[] | null {
  if (tf.getKernel(name, tf.getBackend()) == null) return null
  const outputs: tf.Tensor | tf.Tensor[] = tf.engine().runKernel(name, inputs, attributes)
  return Array.isArray(outputs) ? outputs : [outputs]
}
