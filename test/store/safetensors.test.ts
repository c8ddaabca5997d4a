// The safetensors format: what is written is read back; hostile headers are refused.
import assert from 'node:assert/strict'
import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import {
  decodeSafetensors,
  encodeSafetensors,
  SafetensorsError,
  type Tensor,
} from '../../src/store/safetensors.js'
import { readSafetensors, writeSafetensors } from '../../src/store/safetensors-file.js'
import { StoreError } from '../../src/store/store-error.js'
import { withFolder } from './folders.js'

const anyTensor = fc
  .record({ shape: fc.array(fc.nat(4), { maxLength: 3 }), float: fc.boolean(), seed: fc.nat(255) })
  .map(({ shape, float, seed }) => {
    const size = shape.reduce((product, extent) => product * extent, 1)
    const data = float ? new Float32Array(size) : new Uint8Array(size)
    return { shape, data: data.map((_, i) => seed + i) as Tensor['data'] }
  })
const anyName = fc.string({ unit: 'grapheme', minLength: 1 }).filter((name) => name !== '__metadata__')
const anyFile = fc.record({
  tensors: fc
    .uniqueArray(fc.tuple(fc.oneof(anyName, fc.constantFrom('__proto__', '1', 'a"b')), anyTensor), {
      selector: ([name]) => name,
      maxLength: 6,
    })
    .map((entries) => entries.map(([name, tensor]): Tensor => ({ name, ...tensor }))),
  metadata: fc.dictionary(fc.string(), fc.string()),
})

/** A file with this header text and so many bytes of data. */
function withHeader(header: string, dataBytes = 0): Uint8Array {
  const json = Buffer.from(header)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, Buffer.alloc(dataBytes)])
}
const entry = (shape: number[], offsets: number[], dtype = 'F32'): string =>
  JSON.stringify({ dtype, shape, data_offsets: offsets })
const refused = (bytes: Uint8Array, said: RegExp): void =>
  assert.throws(
    () => decodeSafetensors(bytes),
    (error) => error instanceof SafetensorsError && said.test(error.message),
  )

describe('A safetensors file', () => {
  it('gives back every tensor, name, shape and metadata', () => {
    fc.assert(
      fc.property(anyFile, ({ tensors, metadata }) => {
        const file = decodeSafetensors(Buffer.concat(encodeSafetensors(tensors, metadata)))
        assert.deepEqual(Object.fromEntries(file.metadata), { ...metadata })
        assert.equal(file.tensors.size, tensors.length)
        for (const tensor of tensors) assert.deepEqual(file.tensors.get(tensor.name), tensor)
      }),
    )
  })

  it('starts its data at a multiple of 8 bytes and aligns every tensor to its type', () => {
    const pieces = encodeSafetensors(
      [
        { name: 'bytes', shape: [3], data: Uint8Array.of(1, 2, 3) },
        { name: 'floats', shape: [1], data: Float32Array.of(1) },
      ],
      { a: 'b' },
    )
    assert.equal(pieces[0].length % 8, 0)
    assert.deepEqual(
      pieces.slice(1).map(({ length }) => length),
      [4, 3],
    )
  })

  it('shares the memory of its tensors while it is written', () => {
    const data = new Float32Array(10)
    const [, piece] = encodeSafetensors([{ name: 'a', shape: [10], data }], {})
    assert.equal(piece.buffer, data.buffer)
  })

  it('holds the bytes that the format prescribes', () => {
    const bytes = Buffer.concat(
      encodeSafetensors([{ name: 'w', shape: [1, 2], data: Float32Array.of(1, -2) }], {}),
    )
    const header = '{"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}'
    assert.equal(bytes.readBigUInt64LE(), 56n)
    assert.equal(bytes.subarray(8, 64).toString(), header)
    assert.deepEqual([...bytes.subarray(64)], [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0])
  })

  it('is not written with two tensors of one name, or a shape that does not fit', () => {
    const a: Tensor = { name: 'a', shape: [1], data: new Float32Array(1) }
    assert.throws(() => encodeSafetensors([a, a], {}), /two tensors named a/)
    assert.throws(() => encodeSafetensors([{ ...a, shape: [2] }], {}), /has 1 elements/)
    assert.throws(() => encodeSafetensors([{ ...a, name: '__metadata__' }], {}), /__metadata__/)
  })

  it('is refused with a hostile header, and the message says why', () => {
    refused(new Uint8Array(3), /only 3 bytes/)
    refused(Buffer.from('ffffffffffffffff7b7d', 'hex'), /header claims 18446744073709551615 bytes, more than/)
    refused(withHeader('{}').subarray(0, 9), /header claims 2 bytes, but only 1 follow/)
    refused(withHeader('{"a":'), /not JSON/)
    refused(withHeader('[]'), /not a JSON object/)
    refused(Buffer.concat([withHeader('  ').subarray(0, 8), Uint8Array.of(0xff, 0xff)]), /not JSON/)
    refused(withHeader(`{"a":${entry([1], [0, 4])},"a":${entry([1], [0, 4])}}`, 4), /names a twice/)
    refused(withHeader(`{"a":${entry([1], [0, 4])},"\\u0061":${entry([1], [0, 4])}}`, 4), /names a twice/)
    refused(withHeader(`{"a":${entry([1], [0, 4])},"b":${entry([1], [0, 4])}}`, 4), /overlaps/)
    refused(withHeader(`{"a":${entry([2], [0, 8])},"b":${entry([1], [4, 8])}}`, 8), /overlaps/)
    refused(withHeader(`{"a":${entry([1], [4, 8])}}`, 8), /no tensor owns the bytes 0 to 4/)
    refused(withHeader(`{"a":${entry([1], [0, 4])}}`, 8), /take 4 bytes, but it holds 8/)
    refused(withHeader(`{"a":${entry([2], [0, 8])}}`, 4), /take 8 bytes, but it holds 4/)
    refused(withHeader(`{"a":${entry([1], [0, 8])}}`, 8), /does not fit/)
    refused(withHeader(`{"a":${entry([-1], [0, 4])}}`, 4), /shape is not a list of whole numbers/)
    refused(withHeader(`{"a":${entry([1], [0, 4, 8])}}`, 4), /not two whole numbers/)
    refused(withHeader(`{"a":${entry([2 ** 40, 2 ** 40], [0, 4])}}`, 4), /does not fit/)
    refused(withHeader(`{"a":${entry([2], [0, 4], 'BF16')}}`, 4), /its type is "BF16"/)
    refused(withHeader(`{"a":1}`), /not an object/)
    refused(withHeader(`{"__metadata__":{"a":1}}`), /metadata a is not a string/)
    refused(withHeader(`{"__metadata__":[]}`), /metadata is not an object/)
  })

  it('never crashes on changed bytes: it is read or refused', () => {
    const whole = Buffer.concat(
      encodeSafetensors([{ name: 'a', shape: [2, 2], data: new Float32Array(4) }], { key: 'value' }),
    )
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, value) => {
        const bytes = Buffer.from(whole)
        bytes[at] = value
        try {
          decodeSafetensors(bytes)
        } catch (error) {
          assert(error instanceof SafetensorsError, String(error))
        }
      }),
      { numRuns: 500 },
    )
  })

  it('is read from disk as it was written', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'a.safetensors')
      const tensors: Tensor[] = [
        { name: 'a', shape: [300, 1000], data: new Float32Array(300_000).map((_, i) => Math.sin(i)) },
        { name: 'b', shape: [0], data: new Uint8Array(0) },
      ]
      await writeSafetensors(path, tensors, { version: '3' })
      const file = await readSafetensors(path)
      assert.equal(file.metadata.get('version'), '3')
      assert.deepEqual([...file.tensors.values()], tensors)
    }))

  it('that is cut short or none on disk is refused with its path', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'a.safetensors')
      await writeSafetensors(path, [{ name: 'a', shape: [4], data: new Float32Array(4) }], {})
      await truncate(path, 70)
      const says = (words: RegExp) => (error: unknown) =>
        error instanceof StoreError && error.message.includes(path) && words.test(error.message)
      await assert.rejects(readSafetensors(path), says(/take 16 bytes, but it holds/))
      await writeFile(path, '')
      await assert.rejects(readSafetensors(path), says(/it has only 0 bytes/))
      await assert.rejects(readSafetensors(join(folder, 'none')), /none: it does not exist/)
    }))
})
