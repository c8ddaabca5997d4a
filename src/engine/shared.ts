// Hands large arrays to another thread without holding up this one.
import { setImmediate } from 'node:timers/promises'

/** Copied at once: 1 MiB takes a fraction of a millisecond, some where the memory is new: too short to be felt. */
const SLICE = (1024 * 1024) / Float32Array.BYTES_PER_ELEMENT

/**
 * The same values, cheap to post to another thread: on shared memory, where they are large. They must not change
 * before the promise resolves.
 */
export async function shared(values: Float32Array): Promise<Float32Array> {
  if (values.length <= SLICE || values.buffer instanceof SharedArrayBuffer) return values
  const copy = new Float32Array(new SharedArrayBuffer(values.byteLength))
  for (let start = 0; start < values.length; start += SLICE) {
    copy.set(values.subarray(start, start + SLICE), start)
    await setImmediate()
  }
  return copy
}
