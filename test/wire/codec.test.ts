// The codec and the envelope: whatever is well formed survives, whatever is not is refused and named.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { z } from 'zod'
import { runId } from '../../src/core/ids.js'
import { CONTROL_CAP_BYTES, decode, encode, MalformedMessage } from '../../src/wire/codec.js'
import { ForeignMessage, open, PROTOCOL_VERSION, seal } from '../../src/wire/envelope.js'
import { gradientFrameSchema } from '../../src/wire/frames.js'
import { bulkNameSchema, helloAnswerSchema, helloSchema, messageSchema } from '../../src/wire/schemas.js'
import { bulkNames, helloAnswers, hellos, messages, runs } from './samples.js'

const RUN = runId('c'.repeat(64))

function malformed(bytes: Uint8Array, schema: z.ZodType = messageSchema): string {
  try {
    decode(bytes, schema, CONTROL_CAP_BYTES)
  } catch (error) {
    assert(error instanceof MalformedMessage, String(error))
    return error.reason
  }
  return assert.fail('it was accepted')
}

describe('The codec', () => {
  it('gives every message back as it was', () => {
    fc.assert(
      fc.property(messages, (message) => {
        assert.deepEqual(decode(encode(message), messageSchema, CONTROL_CAP_BYTES), message)
      }),
    )
  })

  it('gives hellos, their answers and bulk names back as they were', () => {
    const survives = <T>(values: fc.Arbitrary<T>, schema: z.ZodType<T>) =>
      fc.assert(
        fc.property(values, (value) => {
          assert.deepEqual(decode(encode(value), schema, CONTROL_CAP_BYTES), value)
        }),
      )
    survives(hellos, helloSchema)
    survives(helloAnswers, helloAnswerSchema)
    survives(bulkNames, bulkNameSchema)
  })

  it('refuses arbitrary bytes as malformed and never otherwise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        malformed(bytes)
      }),
      { numRuns: 2000 },
    )
  })

  it('refuses a message with any byte changed, or gives a message', () => {
    fc.assert(
      fc.property(messages, fc.nat(), fc.integer({ min: 1, max: 255 }), (message, at, change) => {
        const bytes = encode(message)
        bytes[at % bytes.byteLength] ^= change
        try {
          decode(bytes, messageSchema, CONTROL_CAP_BYTES)
        } catch (error) {
          assert(error instanceof MalformedMessage, String(error))
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('refuses a message that is cut short', () => {
    fc.assert(
      fc.property(messages, fc.nat(), (message, at) => {
        const bytes = encode(message)
        malformed(bytes.subarray(0, at % bytes.byteLength))
      }),
    )
  })

  it('refuses 64 KiB of empty maps', () => {
    const bomb = new Uint8Array(CONTROL_CAP_BYTES).fill(0x80)
    bomb.set([0xdc, 0xff, 0xfd])
    malformed(bomb)
  })

  it('refuses arrays nested 64 Ki deep without exhausting the stack', () => {
    assert.match(malformed(new Uint8Array(CONTROL_CAP_BYTES).fill(0x91)), /not msgpack/)
  })

  it('refuses a header that claims more than there is, before it reserves memory for it', () => {
    for (const header of [0xdd, 0xdf, 0xdb, 0xc6]) {
      assert.match(malformed(Uint8Array.of(header, 0x7f, 0xff, 0xff, 0xff)), /not msgpack/)
    }
  })

  it('looks at the size before it decodes', () => {
    const bytes = new Uint8Array(CONTROL_CAP_BYTES + 1)
    assert.match(malformed(bytes), /65537 bytes where at most 65536 are allowed/)
  })

  it('refuses unknown keys, other types and numbers that are not finite, and says where', () => {
    const wanted = { type: 'want-digest', epoch: 0, term: 1, version: 3 }
    const farewell = { type: 'farewell', utilisation: 1, emulated: 0, bytesSent: {}, interClusterBytes: 0 }
    for (const wrong of [
      { ...wanted, extra: 1 },
      { ...wanted, term: '1' },
      { ...wanted, term: -1 },
      { ...wanted, term: 1.5 },
      { ...wanted, type: 'want digest' },
      { type: 'validated', version: 1, loss: Number.NaN },
      { type: 'validated', version: 1, loss: Number.POSITIVE_INFINITY },
      { ...farewell, bytesSent: { gossip: Number.NaN } },
      { type: 'leave', reason: 'x'.repeat(3000) },
      { type: 'give-up', assignment: '7', reason: '' },
      { ...wanted, version: 2 ** 60 },
      { type: 'redirect', epoch: 0, term: 1, leader: null, replicas: new Array(65).fill({}) },
    ]) {
      malformed(encode(wrong))
    }
    assert.match(malformed(encode({ name: 'x', run: 'zz', config: null }), helloSchema), /^run: not a run id/)
  })

  it('does not let a key named __proto__ reach a prototype', () => {
    const bytes = encode(JSON.parse('{"type":"leave","reason":"x","__proto__":{"polluted":true}}'))
    malformed(bytes)
    assert.equal(({} as { polluted?: boolean }).polluted, undefined)
  })

  it('gives chunk frames back with their bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1000 }), fc.nat({ max: 700 }), (bytes, index) => {
        const frame = { type: 'chunk' as const, payload: 'd'.repeat(64), index, bytes, reached: [] }
        const back = decode(encode(frame), gradientFrameSchema, CONTROL_CAP_BYTES)
        assert(back.type === 'chunk')
        assert.deepEqual([...back.bytes], [...bytes])
        assert.equal(back.index, index)
      }),
    )
  })
})

describe('An envelope', () => {
  it('opens for its own run', () => {
    fc.assert(
      fc.property(runs, messages, (run, message) => {
        assert.deepEqual(open(seal(run, message), run, messageSchema, CONTROL_CAP_BYTES), message)
      }),
    )
  })

  it('is refused by another run, saying both', () => {
    const bytes = seal(runId('d'.repeat(64)), { type: 'leave', reason: 'x' })
    assert.throws(
      () => open(bytes, RUN, messageSchema, CONTROL_CAP_BYTES),
      (error) => error instanceof ForeignMessage && error.reason === `run ${'d'.repeat(64)}, ours is ${RUN}`,
    )
  })

  it('is refused by another protocol version before its message is looked at', () => {
    const bytes = encode({ skein: PROTOCOL_VERSION + 1, run: RUN, message: 'of the future' })
    assert.throws(
      () => open(bytes, RUN, messageSchema, CONTROL_CAP_BYTES),
      (error) =>
        error instanceof ForeignMessage &&
        error.reason === `protocol version ${PROTOCOL_VERSION + 1}, ours is ${PROTOCOL_VERSION}`,
    )
  })

  it('never fails otherwise than malformed or foreign, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
        assert.throws(() => open(bytes, RUN, messageSchema, CONTROL_CAP_BYTES), MalformedMessage)
      }),
    )
  })
})
