// The genesis of a run: one spelling, one id, and differences in words.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { peerId } from '../../src/core/ids.js'
import { sha256 } from '../../src/platform/sha256.js'
import { canonicalJson } from '../../src/swarmfile/canonical-json.js'
import {
  type Genesis,
  genesisDifference,
  genesisText,
  parseGenesis,
  runIdOf,
} from '../../src/swarmfile/genesis.js'
import { runSchema } from '../../src/swarmfile/schema.js'

const genesis: Genesis = {
  format: 1,
  name: 'trio',
  run: runSchema.parse({}),
  data: { content: 'a'.repeat(64), vocabulary: 256, trainTokens: 1000, heldOutTokens: 50 },
  clusters: [{ name: 'north' }],
  founder: peerId('12D3Koo'),
  nonce: '00ff',
}

/** The same value with the keys of every object in another order. */
function shuffled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shuffled)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, member]): [string, unknown] => [key, shuffled(member)])
      .reverse(),
  )
}

describe('Canonical JSON', () => {
  it('does not depend on the order of keys', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => canonicalJson(value) === canonicalJson(shuffled(value))))
  })

  it('carries any JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) =>
        assert.deepEqual(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value))),
      ),
    )
  })

  it('sorts keys, leaves no spaces and drops what is undefined', () => {
    assert.equal(canonicalJson({ b: [1, { d: null, c: 'x' }], a: undefined }), '{"b":[1,{"c":"x","d":null}]}')
  })

  it('refuses what JSON would silently change', () => {
    assert.throws(() => canonicalJson({ a: Number.NaN }), TypeError)
    assert.throws(() => canonicalJson([undefined]), TypeError)
  })
})

describe('A genesis', () => {
  it('has one id whatever the order of its keys', () => {
    assert.equal(runIdOf(shuffled(genesis) as Genesis, sha256), runIdOf(genesis, sha256))
  })

  it('has another id for another founder, nonce, corpus or setting', () => {
    const others: Genesis[] = [
      { ...genesis, founder: peerId('other') },
      { ...genesis, nonce: '00fe' },
      { ...genesis, data: { ...genesis.data, content: 'b'.repeat(64) } },
      { ...genesis, run: runSchema.parse({ localSteps: 31 }) },
    ]
    assert.equal(new Set([genesis, ...others].map((each) => runIdOf(each, sha256))).size, 5)
  })

  it('comes back from its text as it was', () => {
    assert.deepEqual(parseGenesis(genesisText(genesis)), genesis)
  })

  it('is refused when it is no JSON, another format, or lacks something', () => {
    assert.throws(() => parseGenesis('{'), { name: 'UserError', kind: 'refused' })
    assert.throws(() => parseGenesis(genesisText({ ...genesis, format: 2 as 1 })), /format/)
    assert.throws(() => parseGenesis(canonicalJson({ ...genesis, nonce: undefined })), /nonce/)
  })
})

describe('The difference of two configurations', () => {
  const text = (config: unknown) => canonicalJson(runSchema.parse(config))

  it('is empty when they agree', () => {
    assert.equal(genesisDifference(text({}), text({ localSteps: 30 })), '')
    assert.equal(genesisDifference('{"a":1,"b":2}', '{"b":2,"a":1}'), '')
  })

  it('names each key with both values', () => {
    assert.equal(
      genesisDifference(
        text({ localSteps: 50 }),
        text({ outer: { learningRate: 0.5 }, warmStart: 'runs/x' }),
      ),
      'localSteps is 50 here and 30 there; outer.learningRate is 0.7 here and 0.5 there; warmStart is not set here and "runs/x" there',
    )
  })

  it('is told in words when one is not JSON at all', () => {
    assert.equal(genesisDifference('{}', 'nonsense'), 'the configuration sent is not JSON')
  })
})
