// Engines that fail in the middle of a round: another takes their place, once, and the round is not lost.
import assert from 'node:assert/strict'
import { UserError } from '../../src/core/user-error.js'
import { openBackend } from '../../src/engine/backends.js'
import { eagerEngine } from '../../src/engine/eager.js'
import type { Engine } from '../../src/engine/engine.js'
import { EngineInUse } from '../../src/engine/engine-in-use.js'
import { LocalTrainer, type RoundControl } from '../../src/engine/local-trainer.js'
import { openTrainer } from '../../src/engine/thread-trainer.js'
import { resolveModel } from '../../src/model/config.js'
import { RoundAborted, type Trainer } from '../../src/ports/trainer.js'
import { failingAt } from './failing-engine.js'
import { tinySetup } from './setup.js'

const setup = tinySetup()
const model = resolveModel(setup.model, setup.tokens.vocabulary)

const wasm = async (): Promise<Engine> => eagerEngine(await openBackend('wasm', 1), model, setup.inner)

const quiet: RoundControl = { isAborted: () => false, sleep: () => {}, onStep: () => {} }

/** A trainer on an engine that fails at a step, and what it warned of. */
async function failing(step: number, replace: () => Promise<Engine> = wasm) {
  const warnings: string[] = []
  const engine = failingAt(step, await wasm())
  const inUse = new EngineInUse(engine, replace, (warning, now) => warnings.push(`${warning} [${now.name}]`))
  return { trainer: new LocalTrainer(inUse, model, setup), warnings }
}

async function undisturbed(): Promise<LocalTrainer> {
  const inUse = new EngineInUse(await wasm(), wasm, () => assert.fail('nothing failed'))
  return new LocalTrainer(inUse, model, setup)
}

describe('A round on an engine that fails', () => {
  const round = { theta: new Float32Array(), shard: 1, position: 2, steps: 5 }

  it('starts again on another engine, to the bits that it would have come to there', async () => {
    const { trainer, warnings } = await failing(4)
    const theta = trainer.initial()
    const steps: number[] = []
    const onStep = ({ step }: { step: number }) => steps.push(step)
    const result = await trainer.train({ ...round, theta }, { ...quiet, onStep })
    const expected = await (await undisturbed()).train({ ...round, theta }, quiet)
    assert.deepEqual(result.gradient, expected.gradient)
    assert.deepEqual(result.inner, expected.inner)
    assert.equal(result.meanLoss, expected.meanLoss)
    assert.deepEqual(steps, [1, 2, 3, 1, 2, 3, 4, 5])
    assert.deepEqual(warnings, [
      'the engine wasm failed: the device was lost; wasm takes its place and the round starts again [wasm]',
    ])
  })

  it('keeps the inner state of the rounds before', async () => {
    const { trainer } = await failing(7)
    const other = await undisturbed()
    const theta = trainer.initial()
    for (const each of [trainer, other]) await each.train({ ...round, theta }, quiet)
    const next = { ...round, theta, position: 7 }
    assert.deepEqual((await trainer.train(next, quiet)).inner, (await other.train(next, quiet)).inner)
  })

  it('ends with both reasons when the other engine fails as well, now or in a later round', async () => {
    const { trainer, warnings } = await failing(4, async () => failingAt(8, await wasm()))
    const theta = trainer.initial()
    const before = (await trainer.train({ ...round, theta }, quiet)).inner
    await assert.rejects(trainer.train({ ...round, theta }, quiet), (error: unknown) => {
      return (
        error instanceof UserError && error.kind === 'engine' && error.message.split('was lost').length === 3
      )
    })
    assert.equal(warnings.length, 1)
    assert.equal(trainer.inner, before)
  })

  it('ends with both reasons when no other engine opens', async () => {
    const { trainer } = await failing(1, () => Promise.reject(new Error('no other')))
    const opening = trainer.train({ ...round, theta: trainer.initial() }, quiet)
    await assert.rejects(opening, /the device was lost; and no other took its place: no other/)
  })

  it('starts again also where it fails with a plain value instead of an error', async () => {
    const thrower: Engine = {
      ...(await wasm()),
      train: () => {
        throw 'abort(7)'
      },
    }
    const warnings: string[] = []
    const inUse = new EngineInUse(thrower, wasm, (warning) => warnings.push(warning))
    const trainer = new LocalTrainer(inUse, model, setup)
    const { steps } = await trainer.train({ ...round, theta: trainer.initial() }, quiet)
    assert.equal(steps, 5)
    assert.match(warnings[0], /wasm failed: abort\(7\); wasm takes its place/)
  })

  it('is not started again for an abort, or for a loss that is not finite', async () => {
    const { trainer, warnings } = await failing(100)
    const theta = trainer.initial()
    const aborted = trainer.train({ ...round, theta }, { ...quiet, isAborted: () => true })
    await assert.rejects(aborted, RoundAborted)
    const broken = trainer.train({ ...round, theta: theta.map(() => Number.NaN) }, quiet)
    await assert.rejects(broken, (error: unknown) => error instanceof UserError && error.kind === 'training')
    assert.deepEqual(warnings, [])
  })

  it('heeds an abort that came while the other engine was opened', async () => {
    let isAborted = false
    const { trainer } = await failing(3, () => {
      isAborted = true
      return wasm()
    })
    const aborted = trainer.train(
      { ...round, theta: trainer.initial() },
      { ...quiet, isAborted: () => isAborted },
    )
    await assert.rejects(aborted, /aborted before step 1/)
  })
})

describe('A rehearsal on an engine that fails', () => {
  it('starts again on another engine', async () => {
    const { trainer, warnings } = await failing(2)
    assert.ok((await trainer.rehearse(trainer.initial())) > 0)
    assert.match(warnings[0], /the rehearsal starts again/)
  })
})

describe('A training thread whose engine fails', () => {
  let trainer: Trainer
  afterEach(() => trainer.close())

  for (const [engine, other] of [
    ['wasm', 'onnx-cpu'],
    ['onnx-cpu', 'wasm'],
  ])
    it(`goes on with ${other} after ${engine}, tells it once, and finishes the round`, async () => {
      const warnings: string[] = []
      const warn = (message: string) => warnings.push(message)
      const entry = new URL('./failing-thread.js', import.meta.url)
      trainer = await openTrainer(tinySetup({ engine }), warn, entry)
      assert.equal(trainer.info.name, `${engine}`)
      const theta = await trainer.initial()
      const steps: number[] = []
      const round = { theta, shard: 0, position: 0, steps: 5 }
      const { inner } = await trainer.train(round, ({ step }) => steps.push(step))
      assert.equal(inner.updates, 5)
      assert.deepEqual(steps, [1, 2, 3, 1, 2, 3, 4, 5])
      assert.equal(trainer.info.name, other)
      assert.equal(warnings.length, 1)
      assert.match(warnings[0], new RegExp(`${engine} failed: .*; ${other} takes its place and the round`))
    })
})
