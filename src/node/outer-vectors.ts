// Vectors of the outer state, side by side in WebAssembly memory: kernels go over them whole, both threads see them,
// and their places are used again, for memory that is new costs more than the step.
import type { Hash } from '../core/ids.js'
import type { OuterStep } from '../outer/optimizer.js'
import { ContentHasher } from '../platform/content-name.js'
import { bytesUnder } from '../store/safetensors.js'
import type { Fragment } from '../tensor/fragments.js'
import { LANES, OuterKernels, type StepVectors } from './outer-kernels.js'

const floatBytes = Float32Array.BYTES_PER_ELEMENT
const pageBytes = 65536

/** Floats of a part: a memory has at most 4 GiB, so that long vectors lie in several, part by part. */
const usualPartLength = 2 ** 25

/** The number of a vector. */
export type Place = number

export class OuterVectors {
  readonly #parts: readonly Part[]

  /**
   * @param length floats of a vector
   * @param places vectors; those that are never written take no memory
   * @param compiled the kernels
   * @param partLength a parameter so that tests can make it small
   */
  constructor(
    readonly length: number,
    places: number,
    compiled: WebAssembly.Module,
    partLength = usualPartLength,
  ) {
    const count = Math.ceil(length / partLength)
    this.#parts = Array.from({ length: count }, (_, i) => {
      return new Part(Math.min(partLength, length - i * partLength), places, compiled)
    })
  }

  /** A vector where it lies, part by part. */
  views(place: Place): Float32Array[] {
    return this.#parts.map((part) => part.view(place))
  }

  /** Copies values to a vector, from its element `at` on. */
  write(place: Place, values: Float32Array, at = 0): void {
    let start = 0
    for (const view of this.views(place)) {
      const from = Math.max(at, start)
      const to = Math.min(at + values.length, start + view.length)
      if (from < to) view.set(values.subarray(from - at, to - at), from - start)
      start += view.length
    }
  }

  /** Copies a vector. @param values where to */
  read<Buffer extends ArrayBufferLike = ArrayBuffer>(
    place: Place,
    values: Float32Array<Buffer>,
  ): Float32Array<Buffer> {
    let start = 0
    for (const view of this.views(place)) {
      values.set(view, start)
      start += view.length
    }
    return values
  }

  /** As digestVector of src/tensor/digest.ts, without the copy: fp32 travels as it lies in memory. */
  digest(place: Place): Hash {
    const hasher = new ContentHasher(this.length * floatBytes)
    for (const view of this.views(place)) hasher.update(bytesUnder(view))
    return hasher.name()
  }

  /** Copies one vector to another. */
  copy(from: Place, to: Place): void {
    const source = this.views(from)
    for (const [i, view] of this.views(to).entries()) view.set(source[i])
  }

  /** Sets a stretch of a vector to zeros. */
  clear(place: Place, { start, end }: Fragment): void {
    let first = 0
    for (const view of this.views(place)) {
      view.fill(0, Math.max(0, start - first), Math.max(0, end - first))
      first += view.length
    }
  }

  /**
   * Takes a step on a stretch of the vectors in these places; the rest of them is not touched.
   *
   * @param stretch begins at a multiple of LANES, and ends at one or with the vectors; all of them unless given
   * @returns whether all that it wrote are finite numbers
   */
  take(step: OuterStep, places: StepVectors, stretch: Fragment = { start: 0, end: this.length }): boolean {
    let first = 0
    const finite = this.#parts.map((part) => {
      const from = Math.max(0, stretch.start - first)
      const to = Math.min(part.length, stretch.end - first)
      first += part.length
      return from >= to || part.take(step, places, from, to)
    })
    return finite.every((part) => part)
  }
}

class Part {
  /** Floats that kernels go over; those after `length` are zeros and stay zeros. */
  readonly #padded: number
  readonly #memory: WebAssembly.Memory
  readonly #kernels: OuterKernels

  constructor(
    readonly length: number,
    places: number,
    compiled: WebAssembly.Module,
  ) {
    this.#padded = Math.ceil(length / LANES) * LANES
    const pages = Math.ceil((places * this.#padded * floatBytes) / pageBytes)
    const limits = { initial: pages, maximum: pages, shared: true }
    this.#memory = new WebAssembly.Memory(limits)
    this.#kernels = OuterKernels.in(this.#memory, compiled)
  }

  view(place: Place): Float32Array {
    return new Float32Array(this.#memory.buffer, this.#pointer(place), this.length)
  }

  take(
    step: OuterStep,
    { theta, g, momentum, buffer, newTheta, newSlot }: StepVectors,
    from: number,
    to: number,
  ): boolean {
    const at = (place: Place) => this.#pointer(place) + from * floatBytes
    const pointers = {
      theta: at(theta),
      g: at(g),
      momentum: at(momentum),
      buffer: at(buffer),
      newTheta: at(newTheta),
      newSlot: at(newSlot),
    }
    return this.#kernels.take(step, pointers, Math.ceil((to - from) / LANES) * LANES)
  }

  #pointer(place: Place): number {
    return place * this.#padded * floatBytes
  }
}
