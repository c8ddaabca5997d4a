// Payloads by every codec, looked at in slices before anything of them is believed.
import assert from 'node:assert/strict'
import type { Manifest } from '../../src/core/messages.js'
import { type PayloadFormat, payloadProblem } from '../../src/node/payload-check.js'
import { sliceValues } from '../../src/node/slices.js'
import { contentName } from '../../src/platform/content-name.js'
import { type CodecName, codecsOf } from '../../src/tensor/codec.js'
import { compress } from '../../src/tensor/error-feedback.js'
import { fragmentAt } from '../../src/tensor/fragments.js'
import { contributionOf } from './fakes.js'

const parameters = sliceValues + 5_000
const codecs = codecsOf({ codec: 'auto', density: 0.05 })
const format: PayloadFormat = { parameters, fragments: 1, codecs }
const g = Float32Array.from({ length: parameters }, (_, i) => Math.sin(i * i))
const { manifest: likeness } = contributionOf([1])

function sentBy(codec: CodecName): { manifest: Manifest; payload: Uint8Array } {
  const { payload, norm } = compress(g, null, codecs.get(codec) ?? assert.fail())
  const named = { payload: contentName(payload), bytes: payload.length }
  return { manifest: { ...likeness, ...named, codec, norm }, payload }
}

describe('A payload that arrives', () => {
  for (const codec of codecs.keys()) {
    it(`is sound as ${codec}, over several slices, and not when a byte of it is another`, async () => {
      const { manifest, payload } = sentBy(codec)
      assert.equal(await payloadProblem(manifest, payload, format), null)
      payload[payload.length - 3] ^= 1
      assert.match((await payloadProblem(manifest, payload, format)) ?? '', /does not match the hash/)
    })

    it(`as ${codec} is refused when its norm is not that of the decoded values`, async () => {
      const { manifest, payload } = sentBy(codec)
      const lied = { ...manifest, norm: 1.01 * manifest.norm }
      assert.match((await payloadProblem(lied, payload, format)) ?? '', /has norm .*, its manifest says/)
    })
  }

  it('is refused when its codec is not one of the run', async () => {
    const { manifest, payload } = sentBy('int4')
    const strict = { ...format, codecs: codecsOf({ codec: 'int8', density: 1 }) }
    assert.equal(await payloadProblem(manifest, payload, strict), "its codec is int4, this run's int8")
  })

  it('of a fragment is sound where the run has it, with just its values', async () => {
    const { start, end } = fragmentAt(parameters, 3, 2)
    const { payload, norm } = compress(g, null, codecs.get('int4') ?? assert.fail(), { start, end })
    const named = { payload: contentName(payload), bytes: payload.length, norm }
    const manifest: Manifest = { ...likeness, ...named, codec: 'int4', fragment: 2 }
    const problem = (changes: object, fragments = 3) =>
      payloadProblem({ ...manifest, ...changes }, payload, { ...format, fragments })
    assert.equal(await problem({}), null)
    assert.equal(await problem({}, 1), 'it is of fragment 2, this run has none')
    assert.equal(await problem({ fragment: undefined }), 'it is of fragment none, this run has 3')
    assert.equal(await problem({ fragment: 3 }), 'it is of fragment 3, this run has 3')
    assert.match((await problem({}, 4)) ?? '', /its payload has \d+ bytes, not \d+/)
  })

  it('is refused when it is shorter or longer than its codec makes it', async () => {
    const { manifest, payload } = sentBy('int8')
    const expected = new RegExp(`has ${payload.length - 1} bytes, not ${payload.length}`)
    assert.match((await payloadProblem(manifest, payload.subarray(1), format)) ?? '', expected)
  })

  it('is refused when it cannot be decoded, with what is wrong', async () => {
    const { manifest, payload } = sentBy('int8')
    new DataView(payload.buffer).setFloat32(0, Number.NaN, true)
    const hostile = { ...manifest, payload: contentName(payload) }
    assert.match(
      (await payloadProblem(hostile, payload, format)) ?? '',
      /^its payload is no int8: the scale of the values from 0 on is NaN/,
    )
  })
})
