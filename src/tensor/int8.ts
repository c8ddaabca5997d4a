// A signed byte per value and a scale per block of 256, symmetric about 0: 1.016 bytes per value.
import { blockCodec, nearest, peakOf, scaleAt, scaleFor } from './blocks.js'

const scaleBytes = Float32Array.BYTES_PER_ELEMENT
const most = 127

/** A value is off by half a step of its block at most: its largest magnitude / 254. */
export const int8 = blockCodec({
  name: 'int8',
  block: 256,
  bytesFor: (values) => scaleBytes + values,

  encode(values, start, end, bytes, view, at) {
    const scale = scaleFor(peakOf(values, start, end), most)
    view.setFloat32(at, scale, true)
    if (scale === 0) return
    const shift = at + scaleBytes - start
    const perUnit = 1 / scale
    for (let i = start; i < end; i++) bytes[shift + i] = nearest(values[i] * perUnit) | 0
  },

  decode(bytes, view, at, values, start, end) {
    const scale = scaleAt(view, at, start)
    const shift = at + scaleBytes - start
    for (let i = start; i < end; i++) values[i] = ((bytes[shift + i] << 24) >> 24) * scale
  },
})
