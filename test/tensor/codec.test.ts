// Payload codecs.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { codecs } from '../../src/tensor/codec.js'

describe('The fp32 codec', () => {
  const { fp32 } = codecs

  it('gives back every value, signed zeros, subnormals and infinities among them', () => {
    fc.assert(
      fc.property(fc.float32Array({ noNaN: true }), (values) => {
        const bytes = fp32.encode(values)
        assert.equal(bytes.byteLength, fp32.encodedBytes(values.length))
        assert.deepEqual(fp32.decode(bytes, values.length), values)
      }),
    )
  })
  it('writes little-endian single precision', () => {
    assert.deepEqual([...fp32.encode(Float32Array.of(1, -2))], [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0])
  })
  it('reads bytes that start anywhere in their buffer', () => {
    fc.assert(
      fc.property(fc.float32Array({ noNaN: true }), fc.nat(7), (values, offset) => {
        const whole = new Uint8Array(offset + values.byteLength + 3)
        whole.set(fp32.encode(values), offset)
        const decoded = fp32.decode(whole.subarray(offset, offset + values.byteLength), values.length)
        assert.deepEqual(decoded, values)
      }),
    )
  })
  it('shares no memory with what it was given', () => {
    const values = Float32Array.of(1)
    const bytes = fp32.encode(values)
    const decoded = fp32.decode(bytes, 1)
    values[0] = 2
    bytes.fill(0)
    assert.equal(decoded[0], 1)
  })
  it('refuses bytes of another length, saying both lengths', () => {
    for (const length of [0, 7, 9, 12]) {
      assert.throws(
        () => fp32.decode(new Uint8Array(length), 2),
        new RegExp(`2 values has 8 bytes, this one ${length}`),
      )
    }
  })
})
