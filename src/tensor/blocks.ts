// What a codec is, and what those have in common that code values block by block.
import type { CodecName } from '../core/codec-names.js'

/**
 * A payload is the bytes of its blocks, one block after another. Nothing in it says how many values there are, or how
 * it is coded: its size follows from the number of parameters and from what the run says, so that nobody ever
 * allocates what a payload claims. Whole blocks can be decoded by themselves. A value decodes to the same bits on every
 * machine: it is read as it stands, or is `fround(code * scale)`.
 */
export interface Codec {
  readonly name: CodecName
  /** Values of a block; the last block of a payload may have fewer. */
  readonly block: number
  /** Size of the payload for this many parameters. */
  encodedBytes(parameters: number): number
  /** A fresh payload; shares no memory with `values`, which must be finite but for fp32. */
  encode(values: Float32Array): Uint8Array
  /**
   * The values in `bytes`, which may start at any offset in their buffer.
   *
   * @throws Error if `bytes` is not a payload for this many parameters
   */
  decode(bytes: Uint8Array, parameters: number): Float32Array
}

/** How one block is coded. */
export interface BlockRule {
  readonly name: CodecName
  /** Values of a whole block. */
  readonly block: number
  /** Bytes of a block with this many values. */
  bytesFor(values: number): number
  /** Writes the block of values[start, end) to `bytes` from `at` on. `view` sees the same bytes. */
  encode(
    values: Float32Array,
    start: number,
    end: number,
    bytes: Uint8Array,
    view: DataView,
    at: number,
  ): void
  /** Reads it. @throws Error if what is there is no block of so many values */
  decode(
    bytes: Uint8Array,
    view: DataView,
    at: number,
    values: Float32Array,
    start: number,
    end: number,
  ): void
}

/** Smallest scale: that of a block whose values are all smaller than it can carry is 0. */
const smallestNormal = 2 ** -126

export function blockCodec(rule: BlockRule): Codec {
  const { name, block } = rule
  const blockBytes = rule.bytesFor(block)
  const encodedBytes = (parameters: number): number => {
    const rest = parameters % block
    return ((parameters - rest) / block) * blockBytes + (rest === 0 ? 0 : rule.bytesFor(rest))
  }
  return {
    name,
    block,
    encodedBytes,

    encode(values) {
      const bytes = new Uint8Array(encodedBytes(values.length))
      const view = new DataView(bytes.buffer)
      for (let start = 0, at = 0; start < values.length; start += block, at += blockBytes)
        rule.encode(values, start, Math.min(start + block, values.length), bytes, view, at)
      return bytes
    },

    decode(bytes, parameters) {
      checkLength(name, bytes, parameters, encodedBytes(parameters))
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      const values = new Float32Array(parameters)
      for (let start = 0, at = 0; start < parameters; start += block, at += blockBytes)
        rule.decode(bytes, view, at, values, start, Math.min(start + block, parameters))
      return values
    },
  }
}

/** @throws Error that says both lengths */
export function checkLength(name: CodecName, bytes: Uint8Array, parameters: number, expected: number): void {
  if (bytes.byteLength === expected) return
  throw new Error(
    `an ${name} payload of ${parameters} values has ${expected} bytes, this one ${bytes.byteLength}`,
  )
}

/** Largest magnitude among values[start, end). */
export function peakOf(values: Float32Array, start: number, end: number): number {
  let peak = 0
  for (let i = start; i < end; i++) {
    const magnitude = Math.abs(values[i])
    if (magnitude > peak) peak = magnitude
  }
  return peak
}

/** By which codes up to `most` reach `peak`; 0 where that is no normal number. */
export function scaleFor(peak: number, most: number): number {
  const scale = Math.fround(peak / most)
  return scale < smallestNormal ? 0 : scale
}

/** A block's scale. @throws Error unless it is 0 or a positive normal number */
export function scaleAt(view: DataView, at: number, start: number): number {
  const scale = view.getFloat32(at, true)
  if (scale === 0 || (scale >= smallestNormal && scale < Number.POSITIVE_INFINITY)) return scale
  throw new Error(`the scale of the values from ${start} on is ${scale}, not 0 or a positive normal number`)
}

/** Adding and subtracting it rounds to the nearest whole number, halves to the even one. */
const roundingNumber = 1.5 * 2 ** 52

/** The nearest whole number, halves to the even one; of magnitudes below 2^51. */
export const nearest = (value: number): number => value + roundingNumber - roundingNumber
