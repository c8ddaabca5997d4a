// Numbers that are a function of a seed and counters alone.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { hash32, permute, uniform } from '../../src/outer/random.js'

describe('A uniform number', () => {
  it('lies in [0, 1) and is the same for the same seed and counters', () => {
    const integer = fc.maxSafeNat()
    fc.assert(
      fc.property(integer, fc.array(integer, { maxLength: 4 }), (seed, counters) => {
        const value = uniform(seed, ...counters)
        assert.ok(value >= 0 && value < 1)
        assert.equal(uniform(seed, ...counters), value)
      }),
    )
  })
  it('never changes between releases: runs of old seeds can be repeated', () => {
    assert.deepEqual(
      [uniform(1), uniform(1, 2, 3), uniform(2 ** 40, 5)],
      [0.2941505225221904, 0.39956193694277775, 0.42002126224454794],
    )
  })
  it('falls evenly over the unit interval for counters in a row', () => {
    const bins = new Array<number>(100).fill(0)
    for (let i = 0; i < 100_000; i++) bins[Math.floor(uniform(1, i) * 100)]++
    const chiSquare = bins.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)
    assert.ok(chiSquare > 60 && chiSquare < 150, `chi-square of 99 degrees of freedom: ${chiSquare}`)
  })
  it('does not follow the number of the next counter or the next seed', () => {
    for (const pair of [
      (i: number) => [uniform(1, i), uniform(1, i + 1)],
      (i: number) => [uniform(i), uniform(i + 1)],
    ]) {
      let product = 0
      for (let i = 0; i < 20_000; i++) {
        const [a, b] = pair(i)
        product += (a - 0.5) * (b - 0.5) * 12
      }
      assert.ok(Math.abs(product / 20_000) < 0.025, `correlation ${product / 20_000}`)
    }
  })
  it('tells apart integers that differ only above 32 bits, and counters in another order', () => {
    assert.notEqual(hash32(5), hash32(5 + 2 ** 32))
    assert.notEqual(uniform(1, 2, 3), uniform(1, 3, 2))
    assert.notEqual(uniform(1, 0), uniform(1))
  })
})

describe('A permutation', () => {
  it('sends every index below its size to another one, for any size and key', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1500 }), fc.nat(), (size, key) => {
        const places = Array.from({ length: size }, (_, index) => permute(index, size, key))
        assert.equal(new Set(places).size, size)
        assert.ok(places.every((place) => place >= 0 && place < size))
      }),
    )
  })
  it('stays in range for the largest size', () => {
    for (const index of [0, 1, 2 ** 31, 2 ** 32 - 1]) {
      const place = permute(index, 2 ** 32, 9)
      assert.ok(Number.isInteger(place) && place >= 0 && place < 2 ** 32)
    }
  })
  it('takes every order of four equally often, over many keys', () => {
    const counts = new Map<string, number>()
    for (let i = 0; i < 24_000; i++) {
      const key = hash32(i)
      const order = [0, 1, 2, 3].map((index) => permute(index, 4, key)).join('')
      counts.set(order, (counts.get(order) ?? 0) + 1)
    }
    assert.equal(counts.size, 24)
    for (const [order, count] of counts) assert.ok(count > 800 && count < 1200, `${order}: ${count}`)
  })
})
