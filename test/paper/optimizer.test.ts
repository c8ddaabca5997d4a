// The outer optimizers by name.
import assert from 'node:assert/strict'
import { UserError } from '../../src/core/user-error.js'
import { initialState, outerOptimizer, outerOptimizerNames } from '../../src/outer/optimizer.js'
import { outerOptions } from './made.js'

describe('An outer optimizer', () => {
  it('is found by its name, and accepts the default options', () => {
    assert.deepEqual([...outerOptimizerNames].sort(), ['delayed-nesterov', 'nesterov', 'sgd'])
    for (const name of outerOptimizerNames) {
      assert.equal(outerOptimizer(name).name, name)
      assert.equal(outerOptimizer(name).check(outerOptions()), null)
    }
    assert.ok(outerOptimizerNames.includes(outerOptions().method))
  })
  const refusal = (word: string, remedy: RegExp) => {
    assert.throws(
      () => outerOptimizer(word),
      (error) =>
        error instanceof UserError &&
        error.kind === 'config' &&
        error.message.includes(`'${word}'`) &&
        remedy.test(error.remedy),
    )
  }
  it('that is misspelt is refused with the name that was meant and all known ones', () => {
    refusal('nestrov', /^did you mean 'nesterov'\? use one of: delayed-nesterov, nesterov, sgd$/)
  })
  it('that is unknown is refused with all known ones', () => {
    refusal('momentum-lookahead', /^use one of: delayed-nesterov, nesterov, sgd$/)
  })
  it('starts from a copy of theta, slots of zeros and phase 0', () => {
    const theta = Float32Array.of(1, 2, 3)
    const state = initialState(theta, outerOptimizer('delayed-nesterov'))
    theta[0] = 9
    assert.deepEqual(state, {
      theta: Float32Array.of(1, 2, 3),
      slots: { momentum: new Float32Array(3), buffer: new Float32Array(3) },
      phase: 0,
    })
  })
})
