// The sizes that engines are measured on, and the work a step of each is.
import assert from 'node:assert/strict'
import { flopsOf, parametersOf, parseSize, sizeNames, tokensOf } from '../../src/bench/sizes.js'
import { UserError } from '../../src/core/user-error.js'

describe('The sizes of a bench', () => {
  const reference = [
    { name: 'a', millions: 0.84, gigaflops: 5.8, tokens: 1024 },
    { name: 'b', millions: 5.9, gigaflops: 80.5, tokens: 2048 },
    { name: 'c', millions: 41.9, gigaflops: 562, tokens: 2048 },
  ]
  for (const { name, millions, gigaflops, tokens } of reference)
    it(`count ${gigaflops} GFLOP for a step of ${name}`, () => {
      const size = parseSize(name)
      assert.equal(tokensOf(size), tokens)
      assert.ok(Math.abs(flopsOf(size) / 1e9 / gigaflops - 1) < 0.01, `${flopsOf(size) / 1e9}`)
      assert.ok(Math.abs(parametersOf(size) / 1e6 / millions - 1) < 0.03, `${parametersOf(size)}`)
    })

  it('count the work of heads that are wider or narrower than the residual stream', () => {
    // 1 layer, D = 256, 4 heads of 64: A = D, so that the usual 12 D^2 per layer holds.
    const { model, batch } = parseSize('paper-20m')
    const perToken = 12 * model.width ** 2 * model.layers + model.vocabulary * model.width
    const attention = 2 * model.width * model.context * model.layers
    assert.equal(flopsOf({ name: '', model, batch }), 6 * batch * model.context * (perToken + attention))
    const narrow = { ...model, headSize: model.headSize / 2 }
    const saved =
      6 * batch * model.context * model.layers * (2 * model.width ** 2 + model.width * model.context)
    assert.equal(flopsOf({ name: '', model: narrow, batch }), flopsOf({ name: '', model, batch }) - saved)
  })

  it('are all to be had by name', () => {
    for (const name of sizeNames) assert.equal(parseSize(name).name, name)
  })

  it('suggest the nearest name for a mistyped one', () => {
    const isSuggestion = (error: UserError) => {
      assert.ok(error instanceof UserError)
      assert.match(error.message, /there is no size paper-20n/)
      assert.match(error.remedy, /did you mean paper-20m\?.* a, b, c, nano/)
      return true
    }
    assert.throws(() => parseSize('paper-20n'), isSuggestion)
  })
})
