// The bytes of a journal: a magic line, then frames of (length, CRC-32 of the record, CRC-32 of those two) and the
// record. The header's own checksum tells a record that was cut short from one whose length was damaged.
import { crc32 } from 'node:zlib'

const magic = new TextEncoder().encode('skein journal 2\n')
/** Of a journal whose records were bare ledger entries. */
const earlierMagic = new TextEncoder().encode('skein journal 1\n')
const frameHeaderBytes = 12
/** What a disk writes whole or not at all. */
const sectorBytes = 512

export interface Frames {
  readonly records: readonly Uint8Array[]
  /** Bytes up to the end of the last whole record. */
  readonly wholeBytes: number
  readonly end:
    | { readonly kind: 'clean' }
    /** The file stops inside its last record: a write that a crash cut short. */
    | { readonly kind: 'torn' }
    /** Written by a version of this program whose records were others. */
    | { readonly kind: 'earlier' }
    | { readonly kind: 'corrupt'; readonly offset: number; readonly what: string }
}

/** The frame of one record: its header, and the record itself. */
export function frame(record: Uint8Array): [Uint8Array, Uint8Array] {
  const header = new Uint8Array(frameHeaderBytes)
  const view = new DataView(header.buffer)
  view.setUint32(0, record.length, true)
  view.setUint32(4, crc32(record), true)
  view.setUint32(8, crc32(header.subarray(0, 8)), true)
  return [header, record]
}

/** A whole journal of these records. */
export const journalOf = (records: readonly Uint8Array[]): Uint8Array[] => [magic, ...records.flatMap(frame)]

/** The byte at which the frame of record `number` (from 0) begins in a journal of these records. */
export const frameOffset = (records: readonly Uint8Array[], number: number): number =>
  records.slice(0, number).reduce((sum, { length }) => sum + frameHeaderBytes + length, magic.length)

/** Reads every record that is whole. Records are views of `bytes`. */
export function readFrames(bytes: Uint8Array): Frames {
  const records: Uint8Array[] = []
  let offset = magic.length
  const start = bytes.subarray(0, offset)
  if (Buffer.from(start).equals(earlierMagic)) return { records, wholeBytes: 0, end: { kind: 'earlier' } }
  if (!start.every((byte, i) => byte === magic[i])) {
    return { records, wholeBytes: 0, end: { kind: 'corrupt', offset: 0, what: 'it is not a journal' } }
  }
  if (start.length < magic.length) return { records, wholeBytes: 0, end: { kind: 'torn' } }
  while (offset < bytes.length) {
    const next = readFrame(bytes, offset)
    if (next.kind === 'corrupt') {
      return { records, wholeBytes: offset, end: { kind: 'corrupt', offset, what: next.what } }
    }
    if (next.kind === 'torn') return { records, wholeBytes: offset, end: { kind: 'torn' } }
    records.push(next.record)
    offset += frameHeaderBytes + next.record.length
  }
  return { records, wholeBytes: offset, end: { kind: 'clean' } }
}

type Frame =
  | { readonly kind: 'whole'; readonly record: Uint8Array }
  | { readonly kind: 'torn' }
  | { readonly kind: 'corrupt'; readonly what: string }

/** The frame at `offset`, which is before the end. */
function readFrame(bytes: Uint8Array, offset: number): Frame {
  const rest = bytes.subarray(offset)
  if (rest.length < frameHeaderBytes) return { kind: 'torn' }
  const view = new DataView(rest.buffer, rest.byteOffset, rest.byteLength)
  if (view.getUint32(8, true) !== crc32(rest.subarray(0, 8))) {
    // A file that grew before its data reached the disk ends in zeros.
    if (isZero(rest)) return { kind: 'torn' }
    return { kind: 'corrupt', what: 'the checksum of a record header is wrong' }
  }
  const end = frameHeaderBytes + view.getUint32(0, true)
  if (rest.length < end) return { kind: 'torn' }
  const record = rest.subarray(frameHeaderBytes, end)
  if (view.getUint32(4, true) === crc32(record)) return { kind: 'whole', record }
  // The last record may have grown to its length before all its data was there; any other was durable once.
  if (rest.length === end && hasUnwrittenSector(record, offset + frameHeaderBytes)) return { kind: 'torn' }
  return { kind: 'corrupt', what: 'the checksum of a record is wrong' }
}

/** Whether all that a record, which begins at `offset` of its file, has in one sector is zeros. */
function hasUnwrittenSector(record: Uint8Array, offset: number): boolean {
  let start = 0
  while (start < record.length) {
    const end = start + sectorBytes - ((offset + start) % sectorBytes)
    if (isZero(record.subarray(start, end))) return true
    start = end
  }
  return false
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)
