// Gradients of the kernels that our models use. tfjs-core leaves registering them to its union package, which
// brings every backend, layer and data loader along.
import * as tf from '@tensorflow/tfjs-core'

type Gradient = Omit<tf.GradConfig, 'kernelName' | 'gradFunc'> & {
  readonly of: (dy: tf.Tensor, saved: tf.Tensor[], attrs: tf.NamedAttrMap) => Record<string, () => tf.Tensor>
}

const gradients: Readonly<Record<string, Gradient>> = {
  Add: {
    inputsToSave: ['a', 'b'],
    of: (dy, [a, b]) => ({ a: () => unbroadcast(dy, a.shape), b: () => unbroadcast(dy, b.shape) }),
  },
  Sub: {
    inputsToSave: ['a', 'b'],
    of: (dy, [a, b]) => ({ a: () => unbroadcast(dy, a.shape), b: () => unbroadcast(tf.neg(dy), b.shape) }),
  },
  Multiply: {
    inputsToSave: ['a', 'b'],
    of: (dy, [a, b]) => ({
      a: () => unbroadcast(tf.mul(dy, b), a.shape),
      b: () => unbroadcast(tf.mul(dy, a), b.shape),
    }),
  },
  BatchMatMul: {
    inputsToSave: ['a', 'b'],
    of: (dy, [a, b], attrs) => {
      const { transposeA, transposeB } = attrs as unknown as tf.BatchMatMulAttrs
      return {
        a: () => (transposeA ? tf.matMul(b, dy, transposeB, true) : tf.matMul(dy, b, false, !transposeB)),
        b: () => (transposeB ? tf.matMul(dy, a, true, transposeA) : tf.matMul(a, dy, !transposeA, false)),
      }
    },
  },
  Sum: {
    inputsToSave: ['x'],
    of: (dy, [x], attrs) => ({ x: () => spread(dy, x, (attrs as unknown as tf.SumAttrs).axis) }),
  },
  Mean: {
    inputsToSave: ['x'],
    of: (dy, [x], attrs) => {
      const { axis } = attrs as unknown as tf.MeanAttrs
      return { x: () => tf.div(spread(dy, x, axis), x.size / dy.size) }
    },
  },
  Softmax: {
    outputsToSave: [true],
    of: (dy, [y], attrs) => {
      const dyY = tf.mul(dy, y)
      const along = tf.sum(dyY, (attrs as unknown as tf.SoftmaxAttrs).dim, true)
      return { logits: () => tf.sub(dyY, tf.mul(along, y)) }
    },
  },
  Square: { inputsToSave: ['x'], of: (dy, [x]) => ({ x: () => tf.mul(dy, tf.mul(x, 2)) }) },
  Rsqrt: {
    outputsToSave: [true],
    of: (dy, [y]) => ({ x: () => tf.mul(dy, tf.mul(tf.mul(tf.square(y), y), -0.5)) }),
  },
  Exp: { outputsToSave: [true], of: (dy, [y]) => ({ x: () => tf.mul(dy, y) }) },
  Log: { inputsToSave: ['x'], of: (dy, [x]) => ({ x: () => tf.div(dy, x) }) },
  Sigmoid: {
    outputsToSave: [true],
    of: (dy, [y]) => ({ x: () => tf.mul(dy, tf.mul(y, tf.sub(1, y))) }),
  },
  Identity: { of: (dy) => ({ x: () => alias(dy, dy.shape) }) },
  Reshape: { inputsToSave: ['x'], of: (dy, [x]) => ({ x: () => tf.reshape(dy, x.shape) }) },
  Transpose: {
    of: (dy, _saved, attrs) => {
      const { perm } = attrs as unknown as tf.TransposeAttrs
      return {
        x: () =>
          tf.transpose(
            dy,
            perm.map((_, i) => perm.indexOf(i)),
          ),
      }
    },
  },
  Concat: {
    saveAllInputs: true,
    of: (dy, inputs, attrs) => {
      const { axis } = attrs as unknown as tf.ConcatAttrs
      const along = tf.util.parseAxisParam(axis, inputs[0].shape)[0]
      const parts = tf.split(
        dy,
        inputs.map(({ shape }) => shape[along]),
        along,
      )
      return Object.fromEntries(parts.map((part, i) => [i, () => part]))
    },
  },
  SplitV: {
    of: (dys, _saved, attrs) => ({
      x: () => tf.concat(dys as unknown as tf.Tensor[], (attrs as unknown as tf.SplitVAttrs).axis),
    }),
  },
  Slice: {
    inputsToSave: ['x'],
    of: (dy, [x], attrs) => {
      const { begin, size } = attrs as unknown as tf.SliceAttrs
      const [start, extent] = tf.slice_util.parseSliceParams(x, begin, size)
      const paddings = start.map((before, i): [number, number] => [before, x.shape[i] - before - extent[i]])
      return { x: () => tf.pad(dy, paddings) }
    },
  },
}

/** Registers what is missing; a backend that brings gradients of its own keeps them. */
export function registerGradients(): void {
  for (const [kernelName, { of, ...saving }] of Object.entries(gradients)) {
    if (tf.getGradient(kernelName) != null) continue
    const gradFunc: tf.GradFunc = (dy, saved, attrs) => of(dy as tf.Tensor, saved, attrs)
    tf.registerGradient({ kernelName, ...saving, gradFunc })
  }
}

/** Sums over the axes along which a tensor of this shape was repeated. */
function unbroadcast(dy: tf.Tensor, shape: number[]): tf.Tensor {
  const axes = tf.broadcast_util.getReductionAxes(shape, dy.shape)
  return alias(axes.length > 0 ? tf.sum(dy, axes) : dy, shape)
}

/** A tensor of its own over the same values: TensorFlow.js frees a gradient once it has added it to another. */
function alias(dy: tf.Tensor, shape: number[]): tf.Tensor {
  return tf.reshape(dy, shape)
}

/** Repeats the gradient of a reduction along the reduced axes. */
function spread(dy: tf.Tensor, x: tf.Tensor, axis: number | number[]): tf.Tensor {
  const kept = [...x.shape]
  for (const reduced of tf.util.parseAxisParam(axis, x.shape)) kept[reduced] = 1
  return tf.mul(tf.reshape(dy, kept), tf.onesLike(x))
}
