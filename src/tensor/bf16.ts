// The upper half of single precision: its range, with 8 bits of precision; rounded to nearest, halves to even.
import { type Codec, checkLength } from './blocks.js'

const valueBytes = 2
/** The largest finite value: what lies above would round to infinity. */
const largest = 0x7f7f

export const bf16: Codec = {
  name: 'bf16',
  block: 1,
  encodedBytes: (parameters) => parameters * valueBytes,

  encode(values) {
    const bytes = new Uint8Array(values.length * valueBytes)
    const view = new DataView(bytes.buffer)
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
    for (let i = 0; i < bits.length; i++) {
      const word = bits[i]
      const rounded = ((word & 0x7fffffff) + 0x7fff + ((word >>> 16) & 1)) >>> 16
      const magnitude = rounded > largest ? largest : rounded
      view.setUint16(i * valueBytes, ((word >>> 16) & 0x8000) | magnitude, true)
    }
    return bytes
  },

  decode(bytes, parameters) {
    checkLength('bf16', bytes, parameters, parameters * valueBytes)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const bits = new Uint32Array(parameters)
    for (let i = 0; i < parameters; i++) bits[i] = view.getUint16(i * valueBytes, true) << 16
    return new Float32Array(bits.buffer)
  },
}
