// What our kernels use of the wasm backend: tensors by their place on the heap of the module.
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm'
import type * as tf from '@tensorflow/tfjs-core'
import { UserError } from '../../core/user-error.js'

/** The module behind the backend, as far as we call it. Ids name tensors in its own table. */
export interface WasmModule {
  readonly HEAPU8: Uint8Array
  readonly tfjs: {
    registerTensor(id: number, size: number, memoryOffset: number): void
    disposeData(id: number): void
  }
  _malloc(bytes: number): number
  _free(place: number): void
  cwrap(name: string, returns: null, parameters: readonly string[]): (...values: unknown[]) => void
}

export function moduleOf(backend: BackendWasm): WasmModule {
  return backend.wasm as unknown as WasmModule
}

/** A float tensor's values in place. Valid until the next allocation: the heap moves when it grows. */
export function floatsOf(backend: BackendWasm, tensor: tf.TensorInfo): Float32Array {
  return backend.typedArrayFromHeap(tensor) as Float32Array
}

const guarded = new WeakSet<WasmModule>()

/** Makes running out of the heap's 4 GiB an error. The backend would take the null pointer for a tensor's place. */
export function refuseFailedAllocations(backend: BackendWasm): void {
  const module = moduleOf(backend)
  if (guarded.has(module)) return
  guarded.add(module)
  // The first call replaces the module's entry by the real function.
  module._free(module._malloc(1))
  const allocate = module._malloc
  module._malloc = (bytes) => {
    const place = allocate(bytes)
    if (place !== 0 || bytes === 0) return place
    throw new UserError(
      'engine',
      `the wasm engine has no room for another ${Math.ceil(bytes / 2 ** 20)} MiB in its heap of 4 GiB`,
      'choose the engine onnx-cpu, or a smaller model, batch or context',
    )
  }
}
