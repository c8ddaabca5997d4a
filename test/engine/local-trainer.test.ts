// Rounds on an engine in this thread: what they compute, and what they leave behind.
import assert from 'node:assert/strict'
import * as tf from '@tensorflow/tfjs-core'
import { UserError } from '../../src/core/user-error.js'
import { openBackend } from '../../src/engine/backends.js'
import { eagerEngine } from '../../src/engine/eager.js'
import { EngineInUse } from '../../src/engine/engine-in-use.js'
import { LocalTrainer, type RoundControl } from '../../src/engine/local-trainer.js'
import { resolveModel } from '../../src/model/config.js'
import { learningRateAt } from '../../src/outer/learning-rate.js'
import { RoundAborted, type StepReport, type TrainerSetup } from '../../src/ports/trainer.js'
import { tinySetup } from './setup.js'

async function trainerOf(setup: TrainerSetup, isClosing?: () => boolean): Promise<LocalTrainer> {
  const model = resolveModel(setup.model, setup.tokens.vocabulary)
  const engine = eagerEngine(await openBackend('wasm', 1), model, setup.inner)
  const noOther = () => Promise.reject(new Error('there is no other'))
  return new LocalTrainer(new EngineInUse(engine, noOther, () => {}), model, setup, isClosing)
}

const quiet: RoundControl = { isAborted: () => false, sleep: () => {}, onStep: () => {} }

describe('A trainer that is closed meanwhile', () => {
  const works: Readonly<Record<string, (trainer: LocalTrainer) => Promise<unknown>>> = {
    'a rehearsal': (trainer) => trainer.rehearse(trainer.initial()),
    'an evaluation': (trainer) => trainer.evaluate(trainer.initial(), 8),
    'a text': (trainer) => {
      const prompt = { prompt: [1], length: 8, temperature: 1, seed: 1 }
      return trainer.generate({ theta: trainer.initial(), ...prompt })
    },
  }
  for (const [what, work] of Object.entries(works))
    it(`ends ${what} after the step under way`, async () => {
      let asked = 0
      const trainer = await trainerOf(tinySetup(), () => {
        asked += 1
        return asked > 2
      })
      await assert.rejects(work(trainer), RoundAborted)
      assert.equal(asked, 3)
    })
})

describe('A round', () => {
  const setup = tinySetup()

  it('gives theta_start - theta_end, and reports every step with the learning rate of its place', async () => {
    const trainer = await trainerOf(setup)
    const theta = trainer.initial()
    const untouched = theta.slice()
    const reports: StepReport[] = []
    const onStep = (report: StepReport) => reports.push(report)
    const result = await trainer.train({ theta, shard: 1, position: 3, steps: 4 }, { ...quiet, onStep })
    assert.deepEqual(theta, untouched)
    assert.ok(result.gradient.some((value) => value !== 0))
    assert.deepEqual(
      reports.map((report) => report.step),
      [1, 2, 3, 4],
    )
    const { learningRate: peak, minLearningRate: min, warmupSteps } = setup.inner
    for (const { step, learningRate } of reports) {
      assert.equal(learningRate, learningRateAt(step + 2, { peak, min, warmupSteps, totalSteps: 100 }))
    }
    assert.equal(result.meanLoss, reports.reduce((sum, report) => sum + report.loss, 0) / 4)
    assert.equal(result.inner.updates, 4)
  })

  it('lowers the held-out loss', async () => {
    const trainer = await trainerOf(setup)
    const theta = trainer.initial()
    const start = await trainer.evaluate(theta, 4)
    const { gradient } = await trainer.train({ theta, shard: 0, position: 0, steps: 40 }, quiet)
    const end = await trainer.evaluate(
      theta.map((value, i) => value - gradient[i]),
      4,
    )
    assert.ok(end.loss < 0.8 * start.loss, `${end.loss} against ${start.loss}`)
    assert.equal(end.tokens, 4 * 4 * 12)
  })

  it('split in two gives the bits of the whole, the inner state being kept between', async () => {
    const whole = await trainerOf(setup)
    const theta = whole.initial()
    const once = await whole.train({ theta, shard: 0, position: 0, steps: 6 }, quiet)
    const parts = await trainerOf(setup)
    const first = await parts.train({ theta, shard: 0, position: 0, steps: 3 }, quiet)
    const middle = theta.map((value, i) => value - first.gradient[i])
    // theta_start - (theta_start - theta_end) is not theta_end to the last bit, so moments are compared closely.
    const second = await parts.train({ theta: middle, shard: 0, position: 3, steps: 3 }, quiet)
    assert.equal(second.inner.updates, once.inner.updates)
    for (let i = 0; i < theta.length; i++) assert.ok(Math.abs(second.inner.m[i] - once.inner.m[i]) < 1e-5)
  })

  it('that is aborted stops within a step and leaves the inner state alone', async () => {
    const trainer = await trainerOf(setup)
    const theta = trainer.initial()
    await trainer.train({ theta, shard: 0, position: 0, steps: 2 }, quiet)
    const before = trainer.inner
    let taken = 0
    const control = { ...quiet, isAborted: () => taken === 3, onStep: () => (taken += 1) }
    await assert.rejects(trainer.train({ theta, shard: 0, position: 2, steps: 50 }, control), RoundAborted)
    assert.equal(taken, 3)
    assert.equal(trainer.inner, before)
  })

  it('that is undone leaves the inner state as it was before', async () => {
    const trainer = await trainerOf(setup)
    const round = { theta: trainer.initial(), shard: 0, position: 0, steps: 2 }
    await trainer.train(round, quiet)
    const before = trainer.inner
    await trainer.train(round, quiet)
    assert.notEqual(trainer.inner, before)
    trainer.undo()
    assert.equal(trainer.inner, before)
  })

  it('whose loss is not finite ends with an error that names the step, and leaves the inner state alone', async () => {
    const trainer = await trainerOf(setup)
    const theta = trainer.initial()
    theta[0] = Number.NaN
    const before = trainer.inner
    const round = trainer.train({ theta, shard: 1, position: 7, steps: 5 }, quiet)
    await assert.rejects(round, (error: unknown) => {
      return (
        error instanceof UserError &&
        /is NaN at local step 1 of 5 \(position 7 of shard 1\)/.test(error.message)
      )
    })
    assert.equal(trainer.inner, before)
  })

  it('sleeps for emulated slowdown after each step, and counts it as training, apart', async () => {
    const trainer = await trainerOf(tinySetup({ slowdown: 3 }))
    let slept = 0
    const sleep = (ms: number) => {
      slept += ms
      const end = performance.now() + ms
      while (performance.now() < end);
    }
    const result = await trainer.train(
      { theta: trainer.initial(), shard: 0, position: 0, steps: 3 },
      { ...quiet, sleep },
    )
    assert.ok(slept > 0)
    assert.ok(result.emulatedMs >= slept)
    assert.ok(result.emulatedMs < result.trainMs)
  })

  it('leaves no tensors behind, nor do evaluation, generation and rehearsal', async () => {
    const trainer = await trainerOf(setup)
    const theta = trainer.initial()
    const { numTensors } = tf.memory()
    for (let round = 0; round < 3; round++) {
      await trainer.train({ theta, shard: 0, position: 0, steps: 2 }, quiet)
      await trainer.evaluate(theta, 2)
      await trainer.generate({ theta, prompt: [1, 2], length: 3, temperature: 1, seed: 1 })
      await trainer.rehearse(theta)
      await assert.rejects(
        trainer.train({ theta, shard: 0, position: 0, steps: 2 }, { ...quiet, isAborted: () => true }),
      )
      assert.equal(tf.memory().numTensors, numTensors)
    }
  })

  it('with parameters of another model is refused with both sizes', async () => {
    const trainer = await trainerOf(setup)
    const foreign = trainer.train({ theta: new Float32Array(7), shard: 0, position: 0, steps: 1 }, quiet)
    await assert.rejects(foreign, /theta has 7 values, but the model has \d+ parameters/)
    assert.throws(
      () => trainer.restore({ m: new Float32Array(7), v: new Float32Array(7), updates: 1 }),
      /first moment/,
    )
  })
})

describe('Generated text', () => {
  it('is longer than the context where asked, repeatable by its seed, and made of known tokens', async () => {
    const trainer = await trainerOf(tinySetup())
    const request = { theta: trainer.initial(), prompt: [3], length: 30, temperature: 1, seed: 4 }
    const text = await trainer.generate(request)
    assert.equal(text.length, 30)
    assert.ok(text.every((token) => token >= 0 && token < 16))
    assert.deepEqual(await trainer.generate(request), text)
    assert.notDeepEqual(await trainer.generate({ ...request, seed: 5 }), text)
  })

  it('follows the pattern of the data after training', async () => {
    const setup = tinySetup()
    const trainer = await trainerOf(setup)
    const theta = trainer.initial()
    const { gradient } = await trainer.train({ theta, shard: 0, position: 0, steps: 80 }, quiet)
    const trained = theta.map((value, i) => value - gradient[i])
    const prompt = [...setup.tokens.heldOut.slice(0, 12)]
    const text = await trainer.generate({ theta: trained, prompt, length: 20, temperature: 0, seed: 1 })
    const whole = [...prompt, ...text]
    const fits = text.filter((token, i) => {
      const last = whole[prompt.length + i - 1]
      return token === (last * 3 + 1) % 16 || token === (last * 3 + 2) % 16
    })
    assert.ok(fits.length >= 15, `${fits.length} of 20 tokens fit`)
  })

  it('is refused for an empty prompt and for unknown tokens', async () => {
    const trainer = await trainerOf(tinySetup())
    const ask = (prompt: number[]) =>
      trainer.generate({ theta: trainer.initial(), prompt, length: 1, temperature: 1, seed: 1 })
    await assert.rejects(ask([]), /prompt is empty/)
    await assert.rejects(ask([16]), /token 16 is not below the vocabulary of 16/)
  })
})
