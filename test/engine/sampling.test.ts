// Drawing tokens from logits.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { sample } from '../../src/engine/sampling.js'

const logits = Float32Array.of(0, Math.log(2), Math.log(5))

describe('A sampled token', () => {
  it('is the likeliest at temperature 0', () => {
    assert.equal(sample(Float32Array.of(1, 7, 3), 0, 0.999), 1)
  })

  it('follows the softmax of the logits', () => {
    const counts = [0, 0, 0]
    for (let i = 0; i < 800; i++) counts[sample(logits, 1, (i + 0.5) / 800)] += 1
    assert.deepEqual(counts, [100, 200, 500])
  })

  it('is more often the likeliest at a lower temperature', () => {
    const counts = [0, 0, 0]
    for (let i = 0; i < 300; i++) counts[sample(logits, 0.5, (i + 0.5) / 300)] += 1
    assert.deepEqual(counts, [10, 40, 250])
  })

  it('is a token, whatever the logits', () => {
    const values = fc.array(fc.float({ noNaN: true, min: -(2 ** 99), max: 2 ** 99 }), {
      minLength: 1,
      maxLength: 9,
    })
    const draw = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(values, draw, fc.constantFrom(0, 0.5, 1, 2), (list, uniform, temperature) => {
        const token = sample(Float32Array.from(list), temperature, uniform)
        assert.ok(token >= 0 && token < list.length)
      }),
    )
  })
})
