// Which codec a worker takes, by what its link carries.
import assert from 'node:assert/strict'
import type { CodecName } from '../../src/core/codec-names.js'
import { type CompressionFacts, chooseCodec } from '../../src/outer/compression.js'

const bytes = new Map<CodecName, number>([
  ['fp32', 124e6],
  ['bf16', 62e6],
  ['int8', 31e6],
  ['int4', 16e6],
  ['topk', 1.4e6],
])
/** A round of 20 s, and a link of so many megabytes a second. */
const facts = (rate: number, current: CodecName = 'int8'): CompressionFacts => ({
  bytes,
  roundMs: 20_000,
  transfers: [{ bytes: rate * 1e6, ms: 1_000 }],
  current,
})
const choice = (rate: number, current?: CodecName) => chooseCodec(facts(rate, current)).codec

describe('A worker that chooses its codec', () => {
  it('begins with eight bits, and says that nothing was measured', () => {
    const first = chooseCodec({ ...facts(1), current: null, transfers: [] })
    assert.deepEqual(first, { codec: 'int8', reason: 'int8: no transfer was measured yet' })
    assert.equal(chooseCodec({ ...facts(1), roundMs: null }).codec, 'int8')
  })

  it('takes the most exact whose transfer hides behind the local steps', () => {
    assert.deepEqual(
      [30, 14, 7, 3.2, 1.7, 0.2].map((rate) => choice(rate)),
      ['fp32', 'bf16', 'int8', 'int8', 'int4', 'topk'],
    )
  })

  it('takes the shortest where none does', () => {
    assert.equal(choice(0.01), 'topk')
  })

  it('says what the transfer would take of the round, and at what rate', () => {
    assert.equal(
      chooseCodec(facts(7.5)).reason,
      'int8: 31.0 MB would take 4.1 s of a 20.0 s round at 60.0 Mbit/s',
    )
  })

  it('stays with a codec that still fits, and rises only where there is room to spare', () => {
    // fp32 would take 45 % of the round.
    assert.equal(choice(13.8, 'fp32'), 'fp32')
    assert.equal(choice(13.8, 'bf16'), 'bf16')
    assert.equal(choice(19, 'bf16'), 'fp32')
  })

  it('goes by the best of the latest transfers: what else delays a verdict says nothing of the link', () => {
    const transfers = [
      { bytes: 31e6, ms: 1_000 },
      { bytes: 31e6, ms: 60_000 },
    ]
    assert.equal(chooseCodec({ ...facts(1), transfers }).codec, 'fp32')
  })
})
