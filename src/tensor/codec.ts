// How a pseudo-gradient becomes bytes, by the codec its manifest names. The byte order is little-endian
// everywhere.
import type { Manifest } from '../core/messages.js'

export type CodecName = Manifest['codec']

export interface Codec {
  /** Size of the payload for this many parameters. */
  encodedBytes(parameters: number): number
  /** A fresh payload; shares no memory with `values`. */
  encode(values: Float32Array): Uint8Array
  /**
   * The values in `bytes`, which may start at any offset in their buffer.
   *
   * @throws Error if `bytes` is not a payload for this many parameters
   */
  decode(bytes: Uint8Array, parameters: number): Float32Array
}

const float32Bytes = Float32Array.BYTES_PER_ELEMENT

/** Exact: every value as IEEE 754 single precision. */
const fp32: Codec = {
  encodedBytes: (parameters) => parameters * float32Bytes,

  encode(values) {
    const bytes = new Uint8Array(values.length * float32Bytes)
    const view = new DataView(bytes.buffer)
    for (let i = 0; i < values.length; i++) view.setFloat32(i * float32Bytes, values[i], true)
    return bytes
  },

  decode(bytes, parameters) {
    const expected = parameters * float32Bytes
    if (bytes.byteLength !== expected) {
      throw new Error(
        `an fp32 payload of ${parameters} values has ${expected} bytes, this one ${bytes.byteLength}`,
      )
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const values = new Float32Array(parameters)
    for (let i = 0; i < parameters; i++) values[i] = view.getFloat32(i * float32Bytes, true)
    return values
  },
}

export const codecs: Readonly<Record<CodecName, Codec>> = { fp32 }
