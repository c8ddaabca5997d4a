// Memory of chunks that come: used again, and no more of it kept than is in use.
import assert from 'node:assert/strict'
import { ChunkBuffers } from '../../src/network/bulk/chunk-buffers.js'

describe('The memory of chunks', () => {
  it('is used again once it was given back, for a shorter chunk and then a whole one', () => {
    const buffers = new ChunkBuffers(1000)
    const first = buffers.take(1000)
    buffers.giveBack(first)
    const short = buffers.take(10)
    assert.equal(short.buffer, first.buffer)
    assert.equal(short.byteLength, 10)
    buffers.giveBack(short)
    const whole = buffers.take(1000)
    assert.equal(whole.buffer, first.buffer)
    assert.equal(whole.byteLength, 1000)
  })

  it('is never that of two chunks at a time', () => {
    const buffers = new ChunkBuffers(8)
    const taken = new Set(Array.from({ length: 100 }, () => buffers.take(8)))
    assert.equal(new Set([...taken].map(({ buffer }) => buffer)).size, 100)
    for (const chunk of taken) buffers.giveBack(chunk)
    const again = Array.from({ length: 100 }, () => buffers.take(8).buffer)
    assert.equal(new Set(again).size, 100)
  })

  it('is kept only for some chunks, however many there were at a time', () => {
    const buffers = new ChunkBuffers(8)
    const before = Array.from({ length: 100 }, () => buffers.take(8))
    for (const chunk of before) buffers.giveBack(chunk)
    const known = new Set(before.map(({ buffer }) => buffer))
    const kept = Array.from({ length: 100 }, () => buffers.take(8)).filter(({ buffer }) => known.has(buffer))
    assert(kept.length > 0 && kept.length < 20, `${kept.length} are kept`)
  })
})
