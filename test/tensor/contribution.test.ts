// Whether a pseudo-gradient may be applied.
import assert from 'node:assert/strict'
import { checkContribution } from '../../src/tensor/contribution.js'

describe('A pseudo-gradient', () => {
  const g = Float32Array.of(3, -4)

  it('is accepted with the shape and norm that were announced', () => {
    assert.equal(checkContribution(g, { norm: 5 }, 2), null)
  })
  it('is accepted when its norm was summed less exactly, and refused beyond 1 in 1000', () => {
    assert.equal(checkContribution(g, { norm: 5.0049 }, 2), null)
    assert.equal(checkContribution(g, { norm: 4.9951 }, 2), null)
    assert.match(checkContribution(g, { norm: 5.0051 }, 2) ?? '', /norm 5\.00000, its manifest says 5\.0051/)
    assert.notEqual(checkContribution(g, { norm: 4.9949 }, 2), null)
  })
  it('is refused with another shape', () => {
    assert.match(checkContribution(g, { norm: 5 }, 3) ?? '', /has 2 values, not 3/)
  })
  it('is refused when any value is not finite, naming the first', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const reason = checkContribution(Float32Array.of(1, value, Number.NaN), { norm: value }, 3)
      assert.match(reason ?? '', new RegExp(`is ${value} at parameter 1`))
    }
  })
  it('is refused when the announced norm is no finite number', () => {
    assert.notEqual(checkContribution(g, { norm: Number.NaN }, 2), null)
    assert.notEqual(checkContribution(g, { norm: Number.POSITIVE_INFINITY }, 2), null)
  })
  it('may be all zeros, as after steps at a learning rate of 0', () => {
    assert.equal(checkContribution(new Float32Array(2), { norm: 0 }, 2), null)
    assert.notEqual(checkContribution(new Float32Array(2), { norm: 1e-9 }, 2), null)
  })
})
