// Replaces the kernels of the wasm backend that are slow where training spends its time. Each falls back to the
// stock kernel for the cases it does not cover, and is tested against the cpu backend.
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm'
import * as tf from '@tensorflow/tfjs-core'
import { floatsOf } from './heap.js'
import { matMulKernel } from './matmul.js'

let replaced = false

/** Call it before the wasm backend is first used. */
export function replaceSlowWasmKernels(): void {
  if (replaced) return
  replaced = true
  replace('BatchMatMul', matMulKernel)
  replace('Slice', sliceKernel)
  replace('Select', selectKernel)
  replace('Sum', sumKernel)
  replace('Tile', tileKernel)
  replace('GatherV2', gatherKernel)
}

function replace(name: string, kernelFor: (stock: tf.KernelConfig) => tf.KernelConfig): void {
  const kernel = kernelFor(tf.getKernel(name, 'wasm'))
  tf.unregisterKernel(name, 'wasm')
  tf.registerKernel(kernel)
}

/** A contiguous slice is one copy. The stock kernel first copies the whole input out of the heap. */
function sliceKernel(stock: tf.KernelConfig): tf.KernelConfig {
  return {
    ...stock,
    kernelFunc: ({ inputs, backend, attrs }) => {
      const x = inputs.x as tf.TensorInfo
      const { begin: start, size: extent } = attrs as unknown as tf.SliceAttrs
      const [begin, size] = tf.slice_util.parseSliceParams(x as tf.Tensor, start, extent)
      const contiguous = tf.slice_util.isSliceContinous(x.shape, begin, size)
      if (x.dtype !== 'float32' || !contiguous) return stock.kernelFunc({ inputs, backend, attrs })
      const wasm = backend as BackendWasm
      const out = wasm.makeOutput(size, 'float32')
      const first = tf.slice_util.computeFlatOffset(begin, tf.util.computeStrides(x.shape))
      const values = floatsOf(wasm, x)
      floatsOf(wasm, out).set(values.subarray(first, first + tf.util.sizeFromShape(size)))
      return out
    },
  }
}

/** One pass; the stock kernel takes 40 ns per element. */
function selectKernel(stock: tf.KernelConfig): tf.KernelConfig {
  return {
    ...stock,
    kernelFunc: ({ inputs, backend, attrs }) => {
      const { condition, t, e } = inputs as Record<'condition' | 't' | 'e', tf.TensorInfo>
      const covered = t.dtype === 'float32' && tf.util.arraysEqual(condition.shape, t.shape)
      if (!covered) return stock.kernelFunc({ inputs, backend, attrs })
      const wasm = backend as BackendWasm
      const out = wasm.makeOutput(t.shape, 'float32')
      const chosen = wasm.typedArrayFromHeap(condition)
      const [yes, no, target] = [floatsOf(wasm, t), floatsOf(wasm, e), floatsOf(wasm, out)]
      for (let i = 0; i < target.length; i++) target[i] = chosen[i] ? yes[i] : no[i]
      return out
    },
  }
}

/** Sums over leading axes run down the rows in memory order; the stock kernel transposes first. */
function sumKernel(stock: tf.KernelConfig): tf.KernelConfig {
  return {
    ...stock,
    kernelFunc: ({ inputs, backend, attrs }) => {
      const x = inputs.x as tf.TensorInfo
      const { axis, keepDims } = attrs as unknown as tf.SumAttrs
      const axes = tf.util.parseAxisParam(axis, x.shape)
      const leading = axes.length < x.shape.length && axes.every((value, i) => value === i)
      if (x.dtype !== 'float32' || axes.length === 0 || !leading) {
        return stock.kernelFunc({ inputs, backend, attrs })
      }
      const wasm = backend as BackendWasm
      const kept = x.shape.slice(axes.length)
      const out = wasm.makeOutput(keepDims ? [...axes.map(() => 1), ...kept] : kept, 'float32')
      const [source, target] = [floatsOf(wasm, x), floatsOf(wasm, out).fill(0)]
      addRows(source, target)
      return out
    },
  }
}

/** Adds the rows of `source`, each as long as `target`, to it: four at a time, which halves the time. */
function addRows(source: Float32Array, target: Float32Array): void {
  const columns = target.length
  const [second, third, fourth] = [columns, 2 * columns, 3 * columns]
  let row = 0
  for (; row + fourth < source.length; row += 4 * columns) {
    for (let j = 0; j < columns; j++) {
      const at = row + j
      target[j] += source[at] + source[at + second] + source[at + third] + source[at + fourth]
    }
  }
  for (; row < source.length; row += columns) {
    for (let j = 0; j < columns; j++) target[j] += source[row + j]
  }
}

/** Repeating one value is a fill; the stock kernel computes indices per element, 100 ns each. */
function tileKernel(stock: tf.KernelConfig): tf.KernelConfig {
  return {
    ...stock,
    kernelFunc: ({ inputs, backend, attrs }) => {
      const x = inputs.x as tf.TensorInfo
      const { reps } = attrs as unknown as tf.TileAttrs
      if (tf.util.sizeFromShape(x.shape) !== 1) return stock.kernelFunc({ inputs, backend, attrs })
      const wasm = backend as BackendWasm
      const out = wasm.makeOutput([...reps], x.dtype)
      wasm.typedArrayFromHeap(out).fill(wasm.typedArrayFromHeap(x)[0])
      return out
    },
  }
}

/** Rows of a matrix are copied whole; the stock kernel copies value by value. */
function gatherKernel(stock: tf.KernelConfig): tf.KernelConfig {
  return {
    ...stock,
    kernelFunc: ({ inputs, backend, attrs }) => {
      const { x, indices } = inputs as Record<'x' | 'indices', tf.TensorInfo>
      const { axis, batchDims } = attrs as unknown as tf.GatherV2Attrs
      const rows = x.shape.length === 2 && indices.shape.length === 1 && axis === 0 && batchDims === 0
      if (x.dtype !== 'float32' || indices.dtype !== 'int32' || !rows) {
        return stock.kernelFunc({ inputs, backend, attrs })
      }
      const wasm = backend as BackendWasm
      const [height, width] = x.shape
      const out = wasm.makeOutput([indices.shape[0], width], 'float32')
      const [source, target] = [floatsOf(wasm, x), floatsOf(wasm, out)]
      for (const [n, index] of wasm.typedArrayFromHeap(indices).entries()) {
        tf.util.assert(index >= 0 && index < height, () => `gather: row ${index} of ${height}`)
        target.set(source.subarray(index * width, (index + 1) * width), n * width)
      }
      return out
    },
  }
}

/** Whether the module runs with SIMD; without it a step takes several times as long. */
export async function wasmHasSimd(): Promise<boolean> {
  return Boolean(await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT'))
}
