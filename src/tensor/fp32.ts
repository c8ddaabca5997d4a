// Exact: every value as IEEE 754 single precision.
import { type Codec, checkLength } from './blocks.js'

const float32Bytes = Float32Array.BYTES_PER_ELEMENT

export const fp32: Codec = {
  name: 'fp32',
  block: 1,
  encodedBytes: (parameters) => parameters * float32Bytes,

  encode(values) {
    const bytes = new Uint8Array(values.length * float32Bytes)
    const view = new DataView(bytes.buffer)
    for (let i = 0; i < values.length; i++) view.setFloat32(i * float32Bytes, values[i], true)
    return bytes
  },

  decode(bytes, parameters) {
    checkLength('fp32', bytes, parameters, parameters * float32Bytes)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const values = new Float32Array(parameters)
    for (let i = 0; i < parameters; i++) values[i] = view.getFloat32(i * float32Bytes, true)
    return values
  },
}
