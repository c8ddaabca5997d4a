// Arithmetic on flat vectors.
import assert from 'node:assert/strict'
import { firstNonFinite, norm, subtract } from '../../src/tensor/vector.js'

describe('Vector arithmetic', () => {
  it('subtracts with one rounding to fp32', () => {
    const a = Float32Array.of(1, 0.1, 2 ** 24)
    const b = Float32Array.of(2 ** -30, 0.3, 1)
    assert.deepEqual(subtract(a, b), Float32Array.of(1, Math.fround(a[1] - b[1]), 2 ** 24 - 1))
  })
  it('refuses to subtract vectors of unequal length', () => {
    assert.throws(() => subtract(new Float32Array(2), new Float32Array(3)), /3 elements from 2/)
  })
  it('takes the norm in float64, where squares of fp32 neither overflow nor vanish', () => {
    assert.equal(norm(Float32Array.of(3, -4)), 5)
    assert.equal(norm(Float32Array.of(3 * 2 ** 120, 4 * 2 ** 120)), 5 * 2 ** 120)
    assert.equal(norm(Float32Array.of(3 * 2 ** -140, 4 * 2 ** -140)), 5 * 2 ** -140)
    assert.equal(norm(new Float32Array(0)), 0)
  })
  it('finds the first value that is not finite', () => {
    assert.equal(firstNonFinite(Float32Array.of(1, Number.NaN, Number.POSITIVE_INFINITY)), 1)
    assert.equal(firstNonFinite(Float32Array.of(1, 2, Number.NEGATIVE_INFINITY)), 2)
    assert.equal(firstNonFinite(Float32Array.of(-3.4028234663852886e38, 0)), -1)
  })
})
