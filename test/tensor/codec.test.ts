// Payload codecs.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type Codec, codecs, codecsOf } from '../../src/tensor/codec.js'
import { topk } from '../../src/tensor/topk.js'

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

/** Finite values over many magnitudes, as those of a pseudo-gradient are: some blocks of zeros, some tiny. */
const finite = (maxLength = 700) =>
  fc
    .tuple(
      fc.array(fc.float({ noNaN: true, min: Math.fround(-1e30), max: Math.fround(1e30) }), {
        maxLength,
        size: 'max',
      }),
      fc.constantFrom(1, 1e-20, 1e-38, 0),
    )
    .map(([values, factor]) => Float32Array.from(values, (value) => value * factor))

/** Every codec but fp32, top-k at several densities. */
const lossy: readonly (readonly [string, Codec])[] = [
  ['bf16', codecs.bf16],
  ['int8', codecs.int8],
  ['int4', codecs.int4],
  ...[1 / 4096, 1 / 32, 0.3, 1].map((density) => [`topk at ${density}`, topk(density)] as const),
]

/** The largest magnitude in the block of every value. */
function peaks(values: Float32Array, block: number): number[] {
  return Array.from(values, (_, i) => {
    const start = i - (i % block)
    return values.subarray(start, start + block).reduce((peak, value) => Math.max(peak, Math.abs(value)), 0)
  })
}

const smallestNormal = 2 ** -126

describe('A codec', () => {
  for (const [name, codec] of lossy) {
    it(`${name} writes as many bytes as it says, and reads them wherever they begin`, () => {
      fc.assert(
        fc.property(finite(), fc.nat(7), (values, offset) => {
          const payload = codec.encode(values)
          assert.equal(payload.length, codec.encodedBytes(values.length))
          const whole = new Uint8Array(offset + payload.length + 3)
          whole.set(payload, offset)
          const moved = whole.subarray(offset, offset + payload.length)
          assert.deepEqual(codec.decode(moved, values.length), codec.decode(payload, values.length))
        }),
      )
    })

    it(`${name} decodes whole blocks by themselves`, () => {
      const values = Float32Array.from({ length: 2 * codec.block + 3 }, (_, i) => Math.sin(i * i))
      const payload = codec.encode(values)
      const decoded = codec.decode(payload, values.length)
      const parts = [0, 1, 2].map((i) => {
        const [start, end] = [i * codec.block, i === 2 ? values.length : (i + 1) * codec.block]
        const bytes = payload.subarray(codec.encodedBytes(start), codec.encodedBytes(end))
        return [...codec.decode(bytes, end - start)]
      })
      assert.deepEqual(parts.flat(), [...decoded])
    })

    it(`${name} refuses bytes of another length, saying both lengths`, () => {
      const payload = codec.encode(new Float32Array(300).fill(1))
      for (const length of [0, payload.length - 1, payload.length + 1]) {
        const hostile = new Uint8Array(length)
        hostile.set(payload.subarray(0, length))
        assert.throws(
          () => codec.decode(hostile, 300),
          new RegExp(`300 values has ${payload.length} bytes, this one ${length}`),
        )
      }
    })

    it(`${name} makes finite values of any bytes of the right length, or refuses them`, () => {
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 300 }), fc.nat(), (count, seed) => {
          const bytes = new Uint8Array(codec.encodedBytes(count))
          for (let i = 0, state = seed; i < bytes.length; i++) {
            state = (Math.imul(state, 1664525) + 1013904223) >>> 0
            bytes[i] = state >>> 24
          }
          try {
            assert.equal(codec.decode(bytes, count).length, count)
          } catch (error) {
            assert.match((error as Error).message, /^(the scale|the block|place) /)
          }
        }),
      )
    })
  }

  it('that a run names is the only one of the run, but with auto', () => {
    assert.deepEqual([...codecsOf({ codec: 'int8', density: 0.1 }).keys()], ['int8'])
    assert.deepEqual(
      [...codecsOf({ codec: 'auto', density: 0.1 }).keys()],
      ['fp32', 'bf16', 'int8', 'int4', 'topk'],
    )
  })
})

describe('The bf16 codec', () => {
  const { bf16 } = codecs
  const rounded = (value: number) => bf16.decode(bf16.encode(Float32Array.of(value)), 1)[0]

  it('rounds to the nearest value of eight bits, halves to the even one', () => {
    assert.equal(rounded(1 + 2 ** -8), 1)
    assert.equal(rounded(1 + 3 * 2 ** -8), 1 + 2 ** -6)
    assert.equal(rounded(1 + 2 ** -8 + 2 ** -20), 1 + 2 ** -7)
    assert.ok(Object.is(rounded(-0), -0))
  })
  it('gives back every value within 1/256 of it', () => {
    fc.assert(
      fc.property(finite(), (values) => {
        const decoded = bf16.decode(bf16.encode(values), values.length)
        for (const [i, value] of values.entries())
          assert.ok(Math.abs(value - decoded[i]) <= Math.max(Math.abs(value) / 256, smallestNormal))
      }),
    )
  })
  it('makes no infinity of the largest finite values', () => {
    const most = 2 ** 127 * (2 - 2 ** -23)
    assert.equal(rounded(most), 2 ** 127 * (2 - 2 ** -7))
    assert.equal(rounded(-most), -(2 ** 127) * (2 - 2 ** -7))
  })
})

describe('Codecs with a scale per block', () => {
  for (const [codec, most] of [
    [codecs.int8, 127],
    [codecs.int4, 7],
  ] as const) {
    it(`${codec.name} is off by half a step of the block at most`, () => {
      fc.assert(
        fc.property(finite(), (values) => {
          const decoded = codec.decode(codec.encode(values), values.length)
          for (const [i, peak] of peaks(values, codec.block).entries()) {
            const bound = peak / most < smallestNormal ? peak : (peak / most) * (0.5 + 1e-5)
            assert.ok(Math.abs(values[i] - decoded[i]) <= bound, `${values[i]} became ${decoded[i]}`)
          }
        }),
      )
    })

    it(`${codec.name} decodes a code to the rounded product with the scale`, () => {
      const scale = Math.fround(0.1)
      const values = Float32Array.from([most, 3, -5, 0], (code) => code * scale)
      const decoded = codec.decode(codec.encode(values), 4)
      const steps = Math.fround(values[0] / most)
      assert.deepEqual(
        [...decoded],
        [most, 3, -5, 0].map((code) => Math.fround(code * steps)),
      )
    })
  }

  for (const codec of [codecs.int8, codecs.int4, topk(0.1)]) {
    for (const scale of [Number.NaN, Number.POSITIVE_INFINITY, -1, 2 ** -127, Number.NEGATIVE_INFINITY]) {
      it(`${codec.name} refuses the scale ${scale}`, () => {
        const payload = codec.encode(Float32Array.from({ length: 40 }, (_, i) => i))
        new DataView(payload.buffer).setFloat32(0, scale, true)
        assert.throws(
          () => codec.decode(payload, 40),
          /the scale of the values from 0 on is .*, not 0 or a positive/,
        )
      })
    }
  }
})

describe('The top-k codec', () => {
  it('sends the largest values of a block, in four bits each, and nothing else', () => {
    fc.assert(
      fc.property(finite(), fc.constantFrom(0.01, 0.1, 0.5, 1), (values, density) => {
        fc.pre(values.length > 0)
        const codec = topk(density)
        const decoded = codec.decode(codec.encode(values), values.length)
        const kept = Math.max(1, Math.round(values.length * density))
        const magnitudes = [...values].map(Math.abs).sort((a, b) => b - a)
        const [peak, least] = [magnitudes[0], magnitudes[kept - 1]]
        const bound = peak / 7 < smallestNormal ? peak : (peak / 7) * (0.5 + 1e-5)
        let sent = 0
        for (const [i, value] of values.entries()) {
          if (Math.abs(value) > least) assert.ok(Math.abs(value - decoded[i]) <= bound)
          if (Math.abs(value) < least) assert.equal(decoded[i], 0)
          if (decoded[i] !== 0) sent++
        }
        assert.ok(sent <= kept)
      }),
    )
  })

  // Of few different magnitudes, none so small that its code is 0: so that what is sent can be told from what is not.
  const orders: Readonly<Record<string, (place: number) => number>> = {
    'are mixed': (place) => [0.5, -0.75, 1, -1][(Math.imul(place, 2654435761) >>> 7) % 4],
    'are all equal': () => -0.75,
    'come first': (place) => (place % 4096 < 700 ? 1 : 0.5),
    'come last': (place) => (place % 4096 < 3900 ? 0.5 : 1),
    'lie where a sample is taken': (place) => ((place % 4096) % 17 === 0 ? 1 : 0.5 + (place % 3) / 8),
    'lie where no sample is taken': (place) => ((place % 4096) % 17 === 0 ? 0.5 : 0.75 + (place % 3) / 8),
  }
  for (const [how, valueAt] of Object.entries(orders)) {
    it(`sends just the largest values, and of equal ones the first, where they ${how}`, () => {
      for (const density of [1 / 4096, 0.03, 0.2, 0.5, 1]) {
        const values = Float32Array.from({ length: 2 * 4096 + 100 }, (_, place) => valueAt(place))
        const decoded = topk(density).decode(topk(density).encode(values), values.length)
        for (let start = 0; start < values.length; start += 4096) {
          const block = [...values.subarray(start, start + 4096)]
          const largestFirst = block.map((_, i) => i)
          largestFirst.sort((a, b) => Math.abs(block[b]) - Math.abs(block[a]) || a - b)
          const kept = largestFirst.slice(0, Math.max(1, Math.round(block.length * density)))
          const sent = block.map((_, i) => i).filter((i) => decoded[start + i] !== 0)
          assert.deepEqual(
            sent,
            kept.sort((a, b) => a - b),
          )
        }
      }
    })
  }

  it('takes 11 bits for each value sent, of one in 32', () => {
    assert.equal(topk(1 / 32).encodedBytes(4096), 4 + (128 * 11) / 8)
  })

  it('refuses places that do not ascend, and places beyond the block', () => {
    // Four of 40 values: three lower bits, and a field of eight bits for the upper ones.
    const codec = topk(0.1)
    const payload = codec.encode(Float32Array.from({ length: 40 }, (_, i) => (i % 10 === 0 ? 1 : 0)))
    assert.deepEqual(
      [...codec.decode(payload, 40)].flatMap((value, i) => (value === 0 ? [] : [i])),
      [0, 10, 20, 30],
    )
    const withField = (field: number) => {
      const hostile = payload.slice()
      hostile[4] = field
      return hostile
    }
    assert.throws(() => codec.decode(withField(0b00000111), 40), /has 3 values, not 4/)
    assert.throws(() => codec.decode(withField(0b00011111), 40), /has more than 4/)
    assert.throws(() => codec.decode(withField(0b11110000), 35), /place 36 of .* is out of its 35 values/)
    const same = codec.encode(Float32Array.from({ length: 40 }, (_, i) => (i < 4 ? 1 : 0)))
    // Lower parts are 0, 1, 2, 3: the first becomes 7.
    same[5] |= 7
    assert.throws(() => codec.decode(same, 40), /place 1 of the block from 0 on comes after 7/)
  })
})
