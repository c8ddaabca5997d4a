// The layout of parameters in one flat buffer.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { layOut, viewOf } from '../../src/tensor/layout.js'

const specs = fc.uniqueArray(
  fc.record({
    name: fc.string({ minLength: 1 }),
    shape: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
    decayed: fc.boolean(),
  }),
  { selector: (spec) => spec.name, maxLength: 12 },
)

describe('A layout', () => {
  it('places every tensor once, without gaps, decayed ones first', () => {
    fc.assert(
      fc.property(specs, (wanted) => {
        const layout = layOut(wanted)
        let end = 0
        for (const tensor of layout.tensors) {
          assert.equal(tensor.offset, end)
          assert.equal(tensor.decayed, end < layout.decayed)
          end += tensor.size
        }
        assert.equal(layout.size, end)
        const names = (list: readonly { name: string }[]) => list.map((one) => one.name).sort()
        assert.deepEqual(names(layout.tensors), names(wanted))
      }),
    )
  })

  it('keeps the order given among the decayed and among the others', () => {
    const order = ['a', 'b', 'c', 'd'].map((name, i) => ({ name, shape: [1], decayed: i % 2 === 1 }))
    assert.deepEqual(
      layOut(order).tensors.map((tensor) => tensor.name),
      ['b', 'd', 'a', 'c'],
    )
  })

  it('shows a tensor inside the buffer without copying it', () => {
    const layout = layOut([
      { name: 'a', shape: [2], decayed: true },
      { name: 'b', shape: [1, 3], decayed: false },
    ])
    const flat = Float32Array.of(1, 2, 3, 4, 5)
    viewOf(flat, layout.tensors[1])[0] = 9
    assert.deepEqual([...flat], [1, 2, 9, 4, 5])
  })

  it('refuses two tensors of one name', () => {
    const twice = { name: 'a', shape: [1], decayed: true }
    assert.throws(() => layOut([twice, twice]), /share a name/)
  })
})
