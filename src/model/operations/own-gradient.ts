// Defines an operation of several kernels whose gradient is given, not derived kernel by kernel.
import * as tf from '@tensorflow/tfjs-core'

/**
 * @param forward the value, and every tensor that the gradient needs again: what is not saved is freed
 * @param backward gradients of the inputs, in their order, from that of the value and from what was saved
 */
export function withGradient<Value extends tf.Tensor>(
  inputs: tf.Tensor[],
  forward: () => { value: Value; saved: tf.Tensor[] },
  backward: (dy: Value, saved: tf.Tensor[]) => tf.Tensor[],
): Value {
  const operation = tf.customGrad((...parameters) => {
    const save = parameters[inputs.length] as unknown as tf.GradSaveFunc
    const { value, saved } = forward()
    save(saved)
    return { value, gradFunc: (dy, kept) => backward(dy as Value, kept) }
  })
  return operation(...inputs) as Value
}
