// Cutting payloads and putting them together again.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { CHUNK_BYTES, cut, MAX_CHUNKS, nameOf } from '../../src/core/content.js'
import { assignmentId, hash } from '../../src/core/ids.js'
import { sha256 } from '../../src/platform/sha256.js'
import { Assembly, flawOf, manifestOf } from '../../src/wire/chunks.js'
import { CONTROL_CAP_BYTES, encode } from '../../src/wire/codec.js'
import { manifestSchema } from '../../src/wire/manifest.js'

const round = {
  assignment: assignmentId(7),
  base: 3,
  steps: 30,
  codec: 'fp32' as const,
  norm: 1,
  speed: 8,
  loss: 2,
}

const cutOf = (payload: Uint8Array, chunkBytes: number) => ({
  payload: sha256(payload),
  bytes: payload.byteLength,
  chunkBytes,
  chunks: cut(payload, chunkBytes).map(sha256),
})

const payloads = fc.uint8Array({ minLength: 1, maxLength: 200 })
const chunkSizes = fc.integer({ min: 1, max: 64 })

describe('A payload cut into chunks', () => {
  it('is itself again, whatever the order and with any repeats', () => {
    fc.assert(
      fc.property(payloads, chunkSizes, fc.infiniteStream(fc.nat()), (payload, chunkBytes, order) => {
        const chunks = cut(payload, chunkBytes)
        const assembly = new Assembly(cutOf(payload, chunkBytes), sha256)
        const seen = new Set<number>()
        const accept = (index: number) => {
          const expected = seen.has(index) ? 'duplicate' : 'stored'
          assert.equal(assembly.accept(index, chunks[index]), expected)
          seen.add(index)
          assert.deepEqual(assembly.missing().length, chunks.length - seen.size)
        }
        for (const choice of order.take(2 * chunks.length)) accept((choice as number) % chunks.length)
        for (const index of assembly.missing()) accept(index)
        assert(assembly.complete)
        assert.deepEqual([...assembly.payload()], [...payload])
      }),
    )
  })

  it('shows its gaps', () => {
    const payload = Uint8Array.from({ length: 10 }, (_, index) => index)
    const assembly = new Assembly(cutOf(payload, 3), sha256)
    assert.deepEqual(assembly.missing(), [0, 1, 2, 3])
    assembly.accept(2, payload.subarray(6, 9))
    assembly.accept(3, payload.subarray(9))
    assert.deepEqual(assembly.missing(), [0, 1])
    assert.throws(() => assembly.payload(), /2 of 4 chunks are missing/)
  })

  it('drops a chunk of the wrong content, length or place, and takes the right one later', () => {
    const payload = Uint8Array.from({ length: 10 }, (_, index) => index)
    const assembly = new Assembly(cutOf(payload, 5), sha256)
    assert.equal(assembly.accept(0, Uint8Array.of(9, 9, 9, 9, 9)), 'wrong-hash')
    assert.equal(assembly.accept(0, payload.subarray(0, 4)), 'wrong-size')
    assert.equal(assembly.accept(2, payload.subarray(0, 5)), 'out-of-range')
    assert.equal(assembly.accept(-1, payload.subarray(0, 5)), 'out-of-range')
    assert.equal(assembly.accept(0, payload.subarray(0, 5)), 'stored')
  })

  it('copies what it takes in, so that the sender may reuse its buffer', () => {
    const payload = Uint8Array.of(1, 2, 3)
    const assembly = new Assembly(cutOf(payload, 3), sha256)
    const chunk = payload.slice()
    assembly.accept(0, chunk)
    chunk.fill(0)
    assert.deepEqual([...assembly.payload()], [1, 2, 3])
  })
})

describe('A manifest', () => {
  it('names a payload, its chunks and its size', () => {
    const payload = new Uint8Array(CHUNK_BYTES + 10).fill(7)
    const manifest = manifestOf(round, payload, sha256)
    assert.equal(manifest.payload, nameOf(payload, sha256))
    assert.equal(manifest.bytes, payload.byteLength)
    assert.deepEqual(manifest.chunks, [
      sha256(payload.subarray(0, CHUNK_BYTES)),
      sha256(payload.subarray(CHUNK_BYTES)),
    ])
    assert.equal(flawOf(manifest, sha256), null)
  })

  it('fits in a control message at its largest', () => {
    const chunks = Array.from({ length: MAX_CHUNKS }, () => hash('f'.repeat(64)))
    const manifest = manifestSchema.parse({
      ...round,
      payload: chunks[0],
      bytes: MAX_CHUNKS * CHUNK_BYTES,
      chunkBytes: CHUNK_BYTES,
      chunks,
    })
    assert(encode({ type: 'offer', manifest }).byteLength < CONTROL_CAP_BYTES - 500)
  })

  it('is found out when its numbers contradict each other', () => {
    const manifest = manifestOf(round, new Uint8Array(10), sha256)
    const flaw = (changes: Partial<typeof manifest>) => flawOf({ ...manifest, ...changes }, sha256) ?? ''
    assert.match(flaw({ bytes: 10e6 }), /are 39 chunks, the manifest names 1/)
    assert.match(flaw({ chunkBytes: 7 }), /are cut into chunks of 262144, not of 7/)
    assert.match(flaw({ bytes: 11 }), /its chunks do not make up the payload/)
    assert.match(flaw({ chunks: [hash('f'.repeat(64))] }), /its chunks do not make up the payload/)
  })
})
