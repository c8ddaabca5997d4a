// Presets, their parameter counts, and overrides.
import assert from 'node:assert/strict'
import { UserError } from '../../src/core/user-error.js'
import { presets, resolveModel } from '../../src/model/config.js'
import { layoutOf } from '../../src/model/parameters.js'
import { presetNames } from '../../src/swarmfile/schema.js'

/** V D + T D + layers (D 3A + 3A + A D + D + 8 D^2 + 5 D + 4 D) + 2 D, worked out by hand. */
const counts: Record<string, [vocabulary: number, parameters: number]> = {
  nano: [64, 28_544],
  mini: [256, 366_432],
  micro: [256, 842_496],
  'paper-20m': [32_000, 12_996_608],
  'paper-60m': [32_000, 59_216_896],
  'paper-150m': [32_000, 150_158_080],
  'neo-8m': [50_257, 8_057_728],
  'neo-125m': [50_257, 123_883_776],
}

describe('A model preset', () => {
  for (const preset of presetNames) {
    const [vocabulary, parameters] = counts[preset]
    it(`${preset} has ${parameters} parameters with a vocabulary of ${vocabulary}`, () => {
      assert.equal(layoutOf(resolveModel({ preset }, vocabulary)).size, parameters)
    })
  }

  it('of the paper has keys and values of size 64, wider than the residual stream at 16 heads', () => {
    const config = resolveModel({ preset: 'paper-150m' }, 32_000)
    assert.equal(config.headSize, 64)
    const inward = layoutOf(config).tensors.find((tensor) => tensor.name === 'block.0.attention.in.weight')
    assert.deepEqual(inward?.shape, [896, 3 * 1024])
  })

  it('splits its width among its heads where it has no size of its own', () => {
    assert.equal(resolveModel({ preset: 'mini' }, 256).headSize, presets.mini.width / presets.mini.heads)
  })

  it('gives way to overrides', () => {
    const config = resolveModel({ preset: 'mini', width: 64, heads: 4, context: 16, layers: 1 }, 10)
    assert.deepEqual(config, { vocabulary: 10, width: 64, layers: 1, heads: 4, headSize: 16, context: 16 })
  })

  it('is refused when its heads do not divide its width', () => {
    const unfit = () => resolveModel({ preset: 'mini', heads: 5 }, 256)
    assert.throws(unfit, (error: unknown) => {
      return (
        error instanceof UserError && error.kind === 'config' && /5 heads .* width of 96/.test(error.message)
      )
    })
  })
})
