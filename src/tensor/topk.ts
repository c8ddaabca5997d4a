// The largest values alone: of every block of 4096 a fixed share, which makes the payload's size known in advance and
// lets blocks be decoded by themselves. What is not sent stays in the residual and comes later.
import { blockCodec, type Codec, nearest, scaleAt, scaleFor } from './blocks.js'

const scaleBytes = Float32Array.BYTES_PER_ELEMENT
const block = 4096
/** Of the codes: a sign and three bits. */
const most = 7

/** How a block of `values` is laid out after its scale, in bits: places in order, and a code of four bits for each. */
interface Plan {
  readonly kept: number
  /**
   * Places are coded as Elias and Fano did: the lower bits of each as they are; the upper ones in a field in which the
   * j-th kept value sets bit (upper + j). It is within half a bit per value of the least possible, and of fixed size.
   */
  readonly lower: number
  readonly fieldBits: number
  readonly bytes: number
}

/** @param density share of the values that are sent, in (0, 1] */
export function topk(density: number): Codec {
  const plan = (values: number): Plan => {
    const kept = Math.min(values, Math.max(1, Math.round(values * density)))
    const lower = Math.floor(Math.log2(values / kept))
    const fieldBits = kept + ((values - 1) >> lower)
    return { kept, lower, fieldBits, bytes: scaleBytes + Math.ceil((fieldBits + kept * (lower + 4)) / 8) }
  }
  const whole = plan(block)
  const planFor = (values: number): Plan => (values === block ? whole : plan(values))
  const places = new Uint16Array(block)

  return blockCodec({
    name: 'topk',
    block,
    bytesFor: (values) => planFor(values).bytes,

    encode(values, start, end, bytes, view, at) {
      const { kept, lower, fieldBits } = planFor(end - start)
      choose(values, start, end, kept, places)
      let peak = 0
      for (let j = 0; j < kept; j++) peak = Math.max(peak, Math.abs(values[start + places[j]]))
      const scale = scaleFor(peak, most)
      view.setFloat32(at, scale, true)
      const field = (at + scaleBytes) * 8
      let rest = field + fieldBits
      for (let j = 0; j < kept; j++) {
        const place = places[j]
        writeBits(bytes, field + (place >> lower) + j, 1, 1)
        writeBits(bytes, rest, lower, place & ((1 << lower) - 1))
        const code = scale === 0 ? 0 : nearest(values[start + place] / scale) | 0
        writeBits(bytes, rest + lower, 4, code & 15)
        rest += lower + 4
      }
    },

    decode(bytes, view, at, values, start, end) {
      const count = end - start
      const { kept, lower, fieldBits } = planFor(count)
      const scale = scaleAt(view, at, start)
      const field = (at + scaleBytes) * 8
      let rest = field + fieldBits
      let before = -1
      let found = 0
      for (let bit = 0; bit < fieldBits; bit++) {
        if (readBits(bytes, field + bit, 1) === 0) continue
        if (found === kept) throw new Error(`the block of the values from ${start} on has more than ${kept}`)
        const place = ((bit - found) << lower) | readBits(bytes, rest, lower)
        if (place <= before)
          throw new Error(`place ${place} of the block from ${start} on comes after ${before}`)
        if (place >= count)
          throw new Error(`place ${place} of the block from ${start} on is out of its ${count} values`)
        values[start + place] = ((readBits(bytes, rest + lower, 4) << 28) >> 28) * scale
        before = place
        found++
        rest += lower + 4
      }
      if (found !== kept)
        throw new Error(`the block of the values from ${start} on has ${found} values, not ${kept}`)
    },
  })
}

const bucketShift = 20
const histogram = new Uint16Array(1 << (31 - bucketShift))
/** Of the block at hand, as whole numbers, which are in the same order; and those of them near the border. */
const magnitudes = new Uint32Array(block)
const nearBorder = new Uint32Array(block)

/**
 * The places of the `kept` largest magnitudes, ascending; of equal ones the first. A histogram of the upper bits finds
 * all but those near the border, so that only these are sorted.
 */
function choose(values: Float32Array, start: number, end: number, kept: number, places: Uint16Array): void {
  const bits = new Uint32Array(values.buffer, values.byteOffset + 4 * start, end - start)
  histogram.fill(0)
  for (let i = 0; i < bits.length; i++) {
    const magnitude = bits[i] & 0x7fffffff
    magnitudes[i] = magnitude
    histogram[magnitude >>> bucketShift]++
  }
  let border = histogram.length - 1
  let above = 0
  for (; above + histogram[border] < kept; border--) above += histogram[border]
  let count = 0
  for (let i = 0; i < bits.length; i++)
    if (magnitudes[i] >>> bucketShift === border) nearBorder[count++] = magnitudes[i]
  const near = nearBorder.subarray(0, count).sort()
  const least = near[count - (kept - above)]
  let equal = kept - above - (count - 1 - near.lastIndexOf(least))
  for (let i = 0, j = 0; j < kept; i++) {
    if (magnitudes[i] < least || (magnitudes[i] === least && equal-- <= 0)) continue
    places[j++] = i
  }
}

/** Sets bits that were 0, the lowest first; 16 at most. */
function writeBits(bytes: Uint8Array, bit: number, count: number, value: number): void {
  const at = bit >>> 3
  const word = value << (bit & 7)
  bytes[at] |= word
  if ((bit & 7) + count > 8) bytes[at + 1] |= word >>> 8
  if ((bit & 7) + count > 16) bytes[at + 2] |= word >>> 16
}

function readBits(bytes: Uint8Array, bit: number, count: number): number {
  const at = bit >>> 3
  const shift = bit & 7
  let word = bytes[at]
  if (shift + count > 8) word |= bytes[at + 1] << 8
  if (shift + count > 16) word |= bytes[at + 2] << 16
  return (word >>> shift) & ((1 << count) - 1)
}
