// The safetensors format: a JSON header that names tensors and where they lie, then their bytes. Everything in a
// header that came from elsewhere is checked before a byte of data is believed.
// Little-endian, like every platform this program has engines for, so that data is written as it lies in memory.
import { elements } from '../tensor/layout.js'

/** The reference implementation's limit: larger headers are taken for an attack. */
const maxHeaderBytes = 100_000_000
/** The header is padded so that the data starts at a multiple of this. */
const alignmentBytes = 8
const lengthBytes = 8
const metadataKey = '__metadata__'

/** F32 or U8, by the type of its data. */
export interface Tensor {
  readonly name: string
  readonly shape: readonly number[]
  readonly data: Float32Array | Uint8Array
}

export interface TensorFile {
  readonly metadata: ReadonlyMap<string, string>
  readonly tensors: ReadonlyMap<string, Tensor>
}

/** Where a tensor lies, in bytes from the start of the data. */
export interface Span {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: readonly number[]
  readonly begin: number
  readonly end: number
}

export interface Header {
  readonly metadata: ReadonlyMap<string, string>
  /** In the order of the data, without gaps. */
  readonly spans: readonly Span[]
}

type Dtype = 'F32' | 'U8'
const bytesOf: Readonly<Record<Dtype, number>> = { F32: 4, U8: 1 }
const isDtype = (dtype: unknown): dtype is Dtype => dtype === 'F32' || dtype === 'U8'
const dtypeOf = (data: Tensor['data']): Dtype => (data instanceof Float32Array ? 'F32' : 'U8')

/** Bytes are not a safetensors file, or one of another kind; the message says where. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError'
}

/** The bytes under a view, not copied. */
export const bytesUnder = (view: ArrayBufferView): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength)

/**
 * The pieces of a safetensors file, in order: the header, then each tensor's bytes as a view of its data. F32
 * tensors come before U8 ones, so that each is aligned to its own size.
 *
 * @throws SafetensorsError on a repeated or reserved name, or a shape that does not fit its data
 */
export function encodeSafetensors(
  tensors: readonly Tensor[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array[] {
  const ordered = [...tensors].sort((a, b) => bytesOf[dtypeOf(b.data)] - bytesOf[dtypeOf(a.data)])
  const header = new Map<string, unknown>()
  if (Object.keys(metadata).length > 0) header.set(metadataKey, metadata)
  let end = 0
  for (const { name, shape, data } of ordered) {
    if (name === metadataKey || header.has(name)) throw new SafetensorsError(`two tensors named ${name}`)
    if (elements(shape) !== data.length) {
      throw new SafetensorsError(`tensor ${name} of shape [${shape}] has ${data.length} elements`)
    }
    const begin = end
    end += data.byteLength
    header.set(name, { dtype: dtypeOf(data), shape, data_offsets: [begin, end] })
  }
  return [headerBytes(header), ...ordered.map(({ data }) => bytesUnder(data))]
}

function headerBytes(header: ReadonlyMap<string, unknown>): Uint8Array {
  // Written member by member: an object would reorder names that look like numbers and lose `__proto__`.
  const members = [...header].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
  const json = new TextEncoder().encode(`{${members.join(',')}}`)
  const padded = Math.ceil(json.length / alignmentBytes) * alignmentBytes
  const bytes = new Uint8Array(lengthBytes + padded).fill(0x20)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true)
  bytes.set(json, lengthBytes)
  return bytes
}

/** Reads a whole file from memory; tensors are copies. @throws SafetensorsError */
export function decodeSafetensors(bytes: Uint8Array): TensorFile {
  const length = headerLength(bytes.subarray(0, lengthBytes), bytes.length)
  const dataStart = lengthBytes + length
  const { metadata, spans } = parseHeader(bytes.subarray(lengthBytes, dataStart), bytes.length - dataStart)
  const tensors = spans.map((span) => {
    const tensor = emptyTensor(span)
    bytesUnder(tensor.data).set(bytes.subarray(dataStart + span.begin, dataStart + span.end))
    return tensor
  })
  return { metadata, tensors: byName(tensors) }
}

export const byName = (tensors: readonly Tensor[]): Map<string, Tensor> =>
  new Map(tensors.map((tensor) => [tensor.name, tensor]))

export function emptyTensor({ name, dtype, shape, begin, end }: Span): Tensor {
  const data = dtype === 'F32' ? new Float32Array((end - begin) / bytesOf.F32) : new Uint8Array(end - begin)
  return { name, shape, data }
}

/** Length of the JSON header, from the first eight bytes of a file. @throws SafetensorsError */
export function headerLength(start: Uint8Array, fileBytes: number): number {
  if (start.length < lengthBytes) throw new SafetensorsError(`it has only ${fileBytes} bytes`)
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true)
  if (length > maxHeaderBytes) {
    throw new SafetensorsError(`its header claims ${length} bytes, more than ${maxHeaderBytes}`)
  }
  if (length > fileBytes - lengthBytes) {
    throw new SafetensorsError(
      `its header claims ${length} bytes, but only ${fileBytes - lengthBytes} follow`,
    )
  }
  return Number(length)
}

/**
 * Reads and checks a header: known types, whole shapes, offsets that match them and cover the data exactly, no
 * name twice.
 *
 * @throws SafetensorsError
 */
export function parseHeader(json: Uint8Array, dataBytes: number): Header {
  const header = jsonObject(json)
  const metadata = metadataOf(header[metadataKey])
  const spans = Object.entries(header)
    .filter(([name]) => name !== metadataKey)
    .map(([name, value]) => spanOf(name, value))
    .sort((a, b) => a.begin - b.begin || a.end - b.end)
  let covered = 0
  for (const { name, begin, end } of spans) {
    if (begin < covered) throw new SafetensorsError(`tensor ${name} overlaps another at byte ${begin}`)
    if (begin > covered) throw new SafetensorsError(`no tensor owns the bytes ${covered} to ${begin}`)
    covered = end
  }
  if (covered !== dataBytes) {
    throw new SafetensorsError(`its tensors take ${covered} bytes, but it holds ${dataBytes}`)
  }
  return { metadata, spans }
}

function jsonObject(bytes: Uint8Array): Record<string, unknown> {
  let text: string
  let value: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    value = JSON.parse(text)
  } catch (error) {
    throw new SafetensorsError(`its header is not JSON (${(error as Error).message})`)
  }
  if (!isObject(value)) throw new SafetensorsError('its header is not a JSON object')
  const repeated = repeatedKey(text)
  if (repeated !== null) throw new SafetensorsError(`its header names ${repeated} twice`)
  return value
}

/** A key with its colon, another string, or a curly bracket, in a valid JSON text. */
const jsonToken = /("[^"\\]*(?:\\.[^"\\]*)*")\s*:|"[^"\\]*(?:\\.[^"\\]*)*"|([{}])/g

/** The first key that an object of a valid JSON text has twice: JSON.parse would keep the last one in silence. */
function repeatedKey(json: string): string | null {
  const open: Set<string>[] = []
  for (const [, key, bracket] of json.matchAll(jsonToken)) {
    if (bracket === '{') open.push(new Set())
    else if (bracket === '}') open.pop()
    else if (key !== undefined) {
      const keys = open.at(-1)!
      const name = JSON.parse(key) as string
      if (keys.has(name)) return name
      keys.add(name)
    }
  }
  return null
}

function metadataOf(value: unknown): Map<string, string> {
  if (value === undefined) return new Map()
  if (!isObject(value)) throw new SafetensorsError('its metadata is not an object')
  return new Map(
    Object.entries(value).map(([key, text]) => {
      if (typeof text !== 'string') throw new SafetensorsError(`its metadata ${key} is not a string`)
      return [key, text]
    }),
  )
}

function spanOf(name: string, value: unknown): Span {
  const fault = (what: string): SafetensorsError => new SafetensorsError(`tensor ${name}: ${what}`)
  if (!isObject(value)) throw fault('its entry is not an object')
  const { dtype, shape, data_offsets: offsets } = value
  if (!isDtype(dtype)) throw fault(`its type is ${JSON.stringify(dtype)}; F32 and U8 can be read`)
  if (!isWholeNumbers(shape)) throw fault('its shape is not a list of whole numbers')
  if (!isWholeNumbers(offsets) || offsets.length !== 2)
    throw fault('its data_offsets are not two whole numbers')
  const [begin, end] = offsets
  if (end - begin !== elements(shape) * bytesOf[dtype]) {
    throw fault(`its shape [${shape}] does not fit the bytes ${begin} to ${end}`)
  }
  return { name, dtype, shape, begin, end }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isWholeNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0)
