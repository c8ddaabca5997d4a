// Four bits per value, two to a byte, and a scale per block of 128, symmetric about 0: 0.531 bytes per value.
import { blockCodec, nearest, peakOf, scaleAt, scaleFor } from './blocks.js'

const scaleBytes = Float32Array.BYTES_PER_ELEMENT
const most = 7

/** A value is off by half a step of its block at most: its largest magnitude / 14. The first of two is the lower half. */
export const int4 = blockCodec({
  name: 'int4',
  block: 128,
  bytesFor: (values) => scaleBytes + Math.ceil(values / 2),

  encode(values, start, end, bytes, view, at) {
    const scale = scaleFor(peakOf(values, start, end), most)
    view.setFloat32(at, scale, true)
    if (scale === 0) return
    const perUnit = 1 / scale
    let to = at + scaleBytes
    let i = start
    for (; i + 1 < end; i += 2) {
      const low = nearest(values[i] * perUnit) | 0
      const high = nearest(values[i + 1] * perUnit) | 0
      bytes[to++] = (low & 15) | (high << 4)
    }
    if (i < end) bytes[to] = (nearest(values[i] * perUnit) | 0) & 15
  },

  decode(bytes, view, at, values, start, end) {
    const scale = scaleAt(view, at, start)
    let from = at + scaleBytes
    let i = start
    for (; i + 1 < end; i += 2) {
      const both = bytes[from++]
      values[i] = ((both << 28) >> 28) * scale
      values[i + 1] = ((both << 24) >> 28) * scale
    }
    if (i < end) values[i] = ((bytes[from] << 28) >> 28) * scale
  },
})
