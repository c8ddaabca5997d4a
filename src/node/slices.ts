// Copies large arrays in slices, so that the thread does other work in between.
import { setImmediate } from 'node:timers/promises'
import { bytesUnder } from '../store/safetensors.js'

/** Copied at once: a fraction of a millisecond, some where the memory is new, too short to be felt by the network. */
const sliceBytes = 2 ** 20
/** Values decoded, checked or reckoned with at once: a millisecond or two. Every codec's blocks fill it evenly. */
export const sliceValues = 2 ** 18

/** Copies bytes to a view of the same size; `from` must not change before the promise resolves. */
export async function copyInSlices(from: Uint8Array, to: Uint8Array): Promise<void> {
  for (let start = 0; start < from.length; start += sliceBytes) {
    if (start > 0) await setImmediate()
    to.set(from.subarray(start, start + sliceBytes), start)
  }
}

/** The same bytes in memory of their own; they must not change before the promise resolves. */
export async function copiedBytes(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const copy = new Uint8Array(bytes.length)
  await copyInSlices(bytes, copy)
  return copy
}

/** The same values in memory of their own; they must not change before the promise resolves. */
export async function copiedVector(values: Float32Array): Promise<Float32Array<ArrayBuffer>> {
  return new Float32Array((await copiedBytes(bytesUnder(values))).buffer)
}

/** Goes over values in slices of whole codec blocks. */
export async function inSlices(length: number, work: (from: number, to: number) => void): Promise<void> {
  for (let from = 0; from < length; from += sliceValues) {
    if (from > 0) await setImmediate()
    work(from, Math.min(from + sliceValues, length))
  }
}
