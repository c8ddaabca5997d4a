// Flat buffers of a model's parameters, side by side in one WebAssembly memory: kernels go over them whole, programs
// read and write them by tensor, and nothing is copied in between.
import { UserError } from '../../core/user-error.js'
import type { Layout, PlacedTensor } from '../../tensor/layout.js'
import { type FlatKernels, flatKernels, LANES } from './flat-kernels.js'

const FLOAT = Float32Array.BYTES_PER_ELEMENT
const PAGE = 65536

/** What 32-bit addresses reach. */
const MOST_BYTES = 2 ** 32

/**
 * Decayed parameters come first and are followed by zeros up to a whole vector, as are the others: a kernel never
 * meets both in one vector, and zeros stay zeros.
 */
export class FlatBuffers {
  /** Floats of each buffer, the padding included. */
  readonly length: number
  /** Floats of its decayed part, the padding included. */
  readonly decayed: number

  readonly kernels: FlatKernels
  readonly #memory: WebAssembly.Memory

  constructor(
    private readonly layout: Layout,
    count: number,
    compiled: WebAssembly.Module,
  ) {
    this.decayed = padded(layout.decayed)
    this.length = this.decayed + padded(layout.size - layout.decayed)
    const pages = Math.ceil((count * bytesOf(layout)) / PAGE)
    this.#memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
    this.kernels = flatKernels(compiled, this.#memory)
  }

  /** The byte offset of a buffer. */
  pointer(buffer: number): number {
    return buffer * this.length * FLOAT
  }

  /** The part of a buffer that holds a tensor. */
  view(buffer: number, tensor: PlacedTensor): Float32Array {
    const gap = tensor.offset < this.layout.decayed ? 0 : this.decayed - this.layout.decayed
    const start = buffer * this.length + tensor.offset + gap
    return new Float32Array(this.#memory.buffer, start * FLOAT, tensor.size)
  }

  write(buffer: number, values: Float32Array): void {
    const [decayed, others] = this.#parts(buffer)
    decayed.set(values.subarray(0, decayed.length))
    others.set(values.subarray(decayed.length))
  }

  /** A copy. */
  read(buffer: number): Float32Array {
    const values = new Float32Array(this.layout.size)
    const [decayed, others] = this.#parts(buffer)
    values.set(decayed)
    values.set(others, decayed.length)
    return values
  }

  #parts(buffer: number): [Float32Array, Float32Array] {
    const { size, decayed } = this.layout
    const start = this.pointer(buffer)
    return [
      new Float32Array(this.#memory.buffer, start, decayed),
      new Float32Array(this.#memory.buffer, start + this.decayed * FLOAT, size - decayed),
    ]
  }
}

/** @throws UserError where `count` buffers of the layout are more than WebAssembly addresses */
export function checkFlatBuffers(layout: Layout, count: number): void {
  const bytes = count * bytesOf(layout)
  if (bytes <= MOST_BYTES) return
  throw new UserError(
    'engine',
    `the engine onnx-cpu holds at most 4 GiB of parameters, gradient and optimizer state, and this model has ${(bytes / 2 ** 30).toFixed(1)} GiB`,
    'use a GPU with --engine onnx-webgpu or onnx-cuda, or choose a smaller run.model',
  )
}

/** Bytes of one buffer. */
export function bytesOf({ size, decayed }: Layout): number {
  return (padded(decayed) + padded(size - decayed)) * FLOAT
}

const padded = (count: number): number => Math.ceil(count / LANES) * LANES
