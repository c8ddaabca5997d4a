// Eq. 2: which shard an idle worker gets.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { uniform } from '../../src/outer/random.js'
import { draw, probabilities } from '../../src/outer/shard-sampling.js'
import { assertClose } from './made.js'

describe('Shard sampling (Eq. 2)', () => {
  it('is proportional to how far each shard is behind its share', () => {
    // Shares 0.5, 0.3, 0.2 against consumed 0.2, 0.2, 0.6: behind by 0.3, 0.1 and not at all.
    assertClose(probabilities([50, 30, 20], [2, 2, 6]), [0.75, 0.25, 0], 1e-15)
  })
  it('goes by size alone when nothing is consumed yet', () => {
    assertClose(probabilities([1, 3], [0, 0]), [0.25, 0.75], 0)
  })
  it('goes by size alone when every shard has exactly its share', () => {
    assertClose(probabilities([10, 10, 10], [7, 7, 7]), [1 / 3, 1 / 3, 1 / 3], 0)
    assertClose(probabilities([1, 2, 7], [3, 6, 21]), [0.1, 0.2, 0.7], 1e-15)
  })
  it('gives the only shard probability 1, whatever was consumed', () => {
    assert.deepEqual(probabilities([5], [0]), [1])
    assert.deepEqual(probabilities([5], [99]), [1])
  })
  it('gives probabilities that sum to 1 and none to a shard ahead of its share, for any counts', () => {
    const shard = fc.tuple(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 0, max: 1e6 }))
    fc.assert(
      fc.property(fc.array(shard, { minLength: 1, maxLength: 20 }), (shards) => {
        const sizes = shards.map(([size]) => size)
        const consumed = shards.map(([, count]) => count)
        const allSizes = sizes.reduce((a, b) => a + b)
        const allConsumed = consumed.reduce((a, b) => a + b)
        const p = probabilities(sizes, consumed)
        assertClose([p.reduce((a, b) => a + b)], [1], 1e-12)
        const behind = sizes.map((size, i) => size * allConsumed - consumed[i] * allSizes)
        if (behind.every((value) => value <= 0)) return
        for (const [i, value] of behind.entries()) assert.equal(p[i] > 0, value > 0)
      }),
    )
  })
  it('draws each shard in proportion to its probability', () => {
    const p = [0.5, 0, 0.2, 0.3]
    const counts = [0, 0, 0, 0]
    for (let i = 0; i < 10_000; i++) counts[draw(p, uniform(7, i))]++
    assertClose(
      counts.map((count) => count / 10_000),
      p,
      0.015,
    )
    assert.equal(counts[1], 0)
  })
  it('never draws a shard of probability 0, at either end of the unit interval', () => {
    assert.equal(draw([0, 1, 0], 0), 1)
    assert.equal(draw([0, 1, 0], 1 - 2 ** -53), 1)
    assert.equal(draw([0.1, 0.2, 0.7 - 1e-9, 0], 1 - 2 ** -53), 2)
  })
  it('evens out consumption, so that shares are met to within one round', () => {
    const sizes = [40, 30, 20, 10]
    const consumed = [0, 0, 0, 0]
    for (let i = 0; i < 4000; i++) consumed[draw(probabilities(sizes, consumed), uniform(3, i))]++
    assertClose(consumed, [1600, 1200, 800, 400], 2)
  })
})
