// Which stretch of the parameters each fragment is.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { fragmentAt, lengthOf, mostFragments } from '../../src/tensor/fragments.js'

const splits = fc
  .integer({ min: 1, max: 20_000 })
  .chain((parameters) =>
    fc.tuple(fc.constant(parameters), fc.integer({ min: 1, max: Math.min(64, mostFragments(parameters)) })),
  )

describe('The fragments of a parameter vector', () => {
  it('cover every parameter once, in order, and none of them is empty', () => {
    fc.assert(
      fc.property(splits, ([parameters, count]) => {
        const all = Array.from({ length: count }, (_, index) => fragmentAt(parameters, count, index))
        const ends = all.map(({ end }) => end)
        assert.deepEqual(
          all.map(({ start }) => start),
          [0, ...ends.slice(0, -1)],
        )
        assert.equal(ends.at(-1), parameters)
        assert.ok(all.every((fragment) => lengthOf(fragment) > 0))
      }),
    )
  })

  it('begin at whole SIMD vectors and differ by one of them at most', () => {
    fc.assert(
      fc.property(splits, ([parameters, count]) => {
        const all = Array.from({ length: count }, (_, index) => fragmentAt(parameters, count, index))
        assert.ok(all.every(({ start }) => start % 4 === 0))
        const units = all.map((fragment) => Math.ceil(lengthOf(fragment) / 4))
        assert.ok(Math.max(...units) - Math.min(...units) <= 1)
      }),
    )
  })

  it('are the whole vector where there is one', () => {
    assert.deepEqual(fragmentAt(7, 1, 0), { start: 0, end: 7 })
  })

  it('are refused where there would be an empty one, or no such one', () => {
    assert.equal(mostFragments(9), 3)
    assert.throws(() => fragmentAt(9, 4, 0), /9 parameters in 4 fragments have no fragment 0/)
    assert.throws(() => fragmentAt(9, 2, 2), /no fragment 2/)
  })
})
