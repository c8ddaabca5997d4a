// Names of content: what they depend on, and that every way to compute one leads to the same.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  CHUNK_BYTES,
  chunkBytesOf,
  chunkCountOf,
  cut,
  MAX_CHUNKS,
  nameOf,
  nameOfChunks,
} from '../../src/core/content.js'
import { ContentHasher, chunkHashesInSlices, contentName } from '../../src/platform/content-name.js'
import { sha256 } from '../../src/platform/sha256.js'

const content = (bytes: number) => Uint8Array.from({ length: bytes }, (_, i) => (i * 2654435761) >>> 24)

describe('The name of content', () => {
  it('is the hash of its size and the hashes of its chunks', () => {
    const bytes = content(CHUNK_BYTES + 10)
    const chunks = [bytes.subarray(0, CHUNK_BYTES), bytes.subarray(CHUNK_BYTES)].map(sha256)
    assert.equal(nameOf(bytes, sha256), sha256(Buffer.from(`${bytes.length}\n${chunks.join('\n')}`)))
  })

  it('is the same whatever the pieces in which its bytes come', async () => {
    const bytes = content(2 * CHUNK_BYTES + 5)
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 1 }), (lengths) => {
        const hasher = new ContentHasher(bytes.length)
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const length = lengths[i % lengths.length]
          hasher.update(bytes.subarray(at, at + length))
          at += length
        }
        assert.equal(hasher.name(), contentName(bytes))
      }),
      { numRuns: 20 },
    )
    assert.equal(nameOfChunks(bytes.length, await chunkHashesInSlices(bytes), sha256), contentName(bytes))
  })

  it('differs from that of other bytes, of another size, and of nothing', () => {
    const bytes = content(100)
    const names = [bytes, bytes.subarray(1), new Uint8Array(100), new Uint8Array(0)].map(contentName)
    assert.equal(new Set(names).size, 4)
  })
})

describe('Chunks', () => {
  it('are larger for larger content, and never more than fit in a control message', () => {
    assert.equal(chunkBytesOf(30e6), CHUNK_BYTES)
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 40 }), (bytes) => {
        assert(chunkCountOf(bytes) <= MAX_CHUNKS)
      }),
    )
  })

  it('are the content, in order', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 1, max: 64 }), (bytes, chunkBytes) => {
        assert.deepEqual(Buffer.concat(cut(bytes, chunkBytes)), Buffer.from(bytes))
      }),
    )
  })
})
