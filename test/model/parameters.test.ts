// Initial parameters: deterministic, and of the distribution intended.
import assert from 'node:assert/strict'
import { resolveModel } from '../../src/model/config.js'
import { initialParameters, layoutOf } from '../../src/model/parameters.js'
import { viewOf } from '../../src/tensor/layout.js'

const config = resolveModel({ preset: 'nano' }, 64)

function tensor(theta: Float32Array, name: string): Float32Array {
  return viewOf(theta, layoutOf(config).tensors.find((one) => one.name === name)!)
}

function deviation(values: Float32Array): number {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length
  return Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length)
}

describe('Initial parameters', () => {
  const theta = initialParameters(config, 7)

  it('are the same for the same seed and differ for another', () => {
    assert.deepEqual(initialParameters(config, 7), theta)
    assert.notDeepEqual(initialParameters(config, 8), theta)
  })

  it('have a standard deviation of 0.02, divided by sqrt(2 layers) where they write to the residual stream', () => {
    const close = (actual: number, expected: number) =>
      assert.ok(Math.abs(actual / expected - 1) < 0.05, `${actual}`)
    close(deviation(tensor(theta, 'embedding.tokens')), 0.02)
    close(deviation(tensor(theta, 'block.1.mlp.in.weight')), 0.02)
    close(deviation(tensor(theta, 'block.1.mlp.out.weight')), 0.02 / Math.sqrt(2 * config.layers))
    close(deviation(tensor(theta, 'block.0.attention.out.weight')), 0.02 / Math.sqrt(2 * config.layers))
  })

  it('have gains of 1 and offsets and biases of 0', () => {
    for (const { name, decayed } of layoutOf(config).tensors) {
      if (decayed) continue
      const expected = name.endsWith('.gain') ? 1 : 0
      assert.ok(
        tensor(theta, name).every((value) => value === expected),
        name,
      )
    }
  })

  it('differ between tensors of one shape', () => {
    assert.notDeepEqual(tensor(theta, 'block.0.mlp.in.weight'), tensor(theta, 'block.1.mlp.in.weight'))
  })

  it('decay in matrices only', () => {
    for (const { name, shape, decayed } of layoutOf(config).tensors)
      assert.equal(decayed, shape.length === 2, name)
  })
})
