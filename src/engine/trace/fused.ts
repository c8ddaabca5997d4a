// Kernels beyond TensorFlow.js's own: operations that a graph operator does in one pass. A program asks for them by
// name and has a plain body for backends without them.
import type { KernelRecorder } from './kernel.js'

export const fused: Readonly<Record<string, KernelRecorder>> = {
  /** x [N, D], gain [D], offset [D] to the normalised rows, their means [N, 1] and inverse deviations [N, 1]. */
  LayerNormalization: (record, { x, gain, offset }, attrs) => {
    const epsilon = { float: Number(attrs.epsilon) }
    const perRow = { type: x.type, shape: [...x.shape.slice(0, -1), 1] }
    const inputs = [x, gain, offset].map((value) => record.full(value))
    return record.graph.node('LayerNormalization', inputs, { axis: -1, epsilon }, [x, perRow, perRow])
  },
  /** GELU in its tanh form. */
  Gelu: (record, { x }) => record.one('Gelu', [x], x.shape, { approximate: 'tanh' }),
}
