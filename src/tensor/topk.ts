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
  // One is written beyond those that are kept.
  const places = new Uint16Array(block + 1)

  return blockCodec({
    name: 'topk',
    block,
    bytesFor: (values) => planFor(values).bytes,

    encode(values, start, end, bytes, view, at) {
      const { kept, lower, fieldBits } = planFor(end - start)
      const peak = choose(values, start, end, kept, places)
      const scale = scaleFor(peak, most)
      view.setFloat32(at, scale, true)
      const field = (at + scaleBytes) * 8
      const lowerMask = (1 << lower) - 1
      const width = lower + 4
      // What follows the field: bits that have no byte yet, and how many they are.
      let to = (field + fieldBits) >>> 3
      let pending = 0
      let count = (field + fieldBits) & 7
      for (let j = 0; j < kept; j++) {
        const place = places[j]
        const bit = field + (place >> lower) + j
        bytes[bit >>> 3] |= 1 << (bit & 7)
        const code = scale === 0 ? 0 : nearest(values[start + place] / scale) | 0
        pending |= (((code & 15) << lower) | (place & lowerMask)) << count
        for (count += width; count >= 8; count -= 8) {
          bytes[to++] |= pending
          pending >>>= 8
        }
      }
      if (count > 0) bytes[to] |= pending
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

/** Every so many values one is looked at for a first guess; odd, so that it is no multiple of what tensors repeat in. */
const stride = 17
/** A guess is to let so many standard deviations more through than are kept: some do not in one block of thousands. */
const caution = 3.5
/** Bits of a magnitude, from the upper ones, by which those that reach a rank are told apart, step by step. */
const digits = [
  { shift: 20, mask: 0x7ff },
  { shift: 10, mask: 0x3ff },
  { shift: 0, mask: 0x3ff },
] as const
const histogram = new Uint16Array(1 << 11)
/** Magnitudes of the block at hand, as whole numbers, which are in the same order: a sample, or those above the guess. */
const sample = new Int32Array(Math.ceil(block / stride))
const magnitudes = new Int32Array(block)
/** Where those are. */
const candidates = new Uint16Array(block)
/** Of these, those that agree with the least that is kept in all digits so far. */
const undecided = new Int32Array(block)
const asBits = new Int32Array(1)
const asFloat = new Float32Array(asBits.buffer)

/**
 * The places of the `kept` largest magnitudes, ascending; of equal ones the first. A sample tells what about they reach,
 * so that one pass over the values leaves few, of which the least that is kept is found digit by digit. A sample that
 * misleads costs a second pass, and changes nothing of what is found.
 *
 * @returns the largest magnitude
 */
function choose(values: Float32Array, start: number, end: number, kept: number, places: Uint16Array): number {
  const bits = new Int32Array(values.buffer, values.byteOffset + 4 * start, end - start)
  let count = above(guess(bits, kept), bits)
  if (count < kept) count = above(0, bits)
  const { least, larger } = ranked(magnitudes, count, kept)
  // Up to the last of the equal ones that are kept all that reach it, and from there on the larger ones.
  let border = 0
  for (let equal = kept - larger; equal > 0; border++) if (magnitudes[border] === least) equal--
  const found = reaching(least, 0, border, places, 0)
  reaching(least + 1, border, count, places, found)
  let peak = 0
  for (let i = 0; i < count; i++) if (magnitudes[i] > peak) peak = magnitudes[i]
  asBits[0] = peak
  return asFloat[0]
}

/** Adds the places of the candidates [from, to) that reach `least` after `count` others. @returns how many there are then */
function reaching(least: number, from: number, to: number, places: Uint16Array, count: number): number {
  let next = count
  for (let i = from; i < to; i++) {
    places[next] = candidates[i]
    next += reaches(magnitudes[i], least)
  }
  return next
}

/** 1 or 0: a branch would be guessed wrong too often. */
const reaches = (magnitude: number, least: number): number => 1 - ((magnitude - least) >>> 31)

/** A magnitude that more than `kept` are likely to reach, and not many more. */
function guess(bits: Int32Array, kept: number): number {
  let count = 0
  for (let i = 0; i < bits.length; i += stride) sample[count++] = bits[i] & 0x7fffffff
  const mean = (kept / bits.length) * count
  const rank = Math.ceil(mean + caution * Math.sqrt(mean) + 1)
  return rank >= count ? 0 : upperDigit(sample, count, rank)
}

/** The rank-th largest magnitude, with all but its first digit 0. */
function upperDigit(of: Int32Array, count: number, rank: number): number {
  return digitOf(of, count, rank, digits[0]).digit << digits[0].shift
}

/** Leaves those that reach `least`, and their places. @returns how many they are */
function above(least: number, bits: Int32Array): number {
  let count = 0
  for (let i = 0; i < bits.length; i++) {
    const magnitude = bits[i] & 0x7fffffff
    magnitudes[count] = magnitude
    candidates[count] = i
    count += reaches(magnitude, least)
  }
  return count
}

/** The rank-th largest magnitude, and how many are larger. */
function ranked(of: Int32Array, count: number, rank: number): { least: number; larger: number } {
  let least = 0
  let left = rank
  let from = of
  let size = count
  for (const place of digits) {
    const { digit, larger } = digitOf(from, size, left, place)
    least |= digit << place.shift
    left -= larger
    let same = 0
    for (let i = 0; i < size; i++) {
      const magnitude = from[i]
      undecided[same] = magnitude
      same += 1 - reaches(((magnitude >>> place.shift) & place.mask) ^ digit, 1)
    }
    from = undecided
    size = same
    // The only one is the one.
    if (size === 1) return { least: from[0], larger: rank - left }
  }
  return { least, larger: rank - left }
}

/** The digit of the rank-th largest, and how many have a larger one. */
function digitOf(
  of: Int32Array,
  count: number,
  rank: number,
  { shift, mask }: (typeof digits)[number],
): { digit: number; larger: number } {
  histogram.fill(0, 0, mask + 1)
  let digit = 0
  for (let i = 0; i < count; i++) {
    const own = (of[i] >>> shift) & mask
    histogram[own]++
    if (own > digit) digit = own
  }
  let larger = 0
  for (; larger + histogram[digit] < rank; digit--) larger += histogram[digit]
  return { digit, larger }
}

function readBits(bytes: Uint8Array, bit: number, count: number): number {
  const at = bit >>> 3
  const shift = bit & 7
  let word = bytes[at]
  if (shift + count > 8) word |= bytes[at + 1] << 8
  if (shift + count > 16) word |= bytes[at + 2] << 16
  return (word >>> shift) & ((1 << count) - 1)
}
