// The trainer in its thread, as a peer holds it.
import assert from 'node:assert/strict'
import { UserError } from '../../src/core/user-error.js'
import { openTrainer } from '../../src/engine/thread-trainer.js'
import { sha256 } from '../../src/platform/sha256.js'
import { RoundAborted, type Trainer, type TrainerSetup } from '../../src/ports/trainer.js'
import { modelSchema } from '../../src/swarmfile/schema.js'
import { codecs } from '../../src/tensor/codec.js'
import { compress } from '../../src/tensor/error-feedback.js'
import { cutOf } from '../../src/wire/chunks.js'
import { tinySetup } from './setup.js'

const ignore = () => {}
const warn = (message: string) => assert.fail(message)

describe('A trainer in its thread', () => {
  const open: Trainer[] = []
  async function opened(setup: TrainerSetup = tinySetup()): Promise<Trainer> {
    const trainer = await openTrainer(setup, warn)
    open.push(trainer)
    return trainer
  }
  afterEach(async () => {
    for (const trainer of open.splice(0)) await trainer.close()
  })

  it('says which engine it uses, why, and how many parameters the model has', async () => {
    const { info } = await opened()
    assert.equal(info.name, 'wasm')
    assert.match(info.reason, /asked for/)
    assert.ok(info.parameters > 1000)
  })

  it('gives the same bits as another with the same seed', async () => {
    const [one, other] = [await opened(), await opened()]
    const theta = await one.initial()
    assert.deepEqual(await other.initial(), theta)
    const round = { theta, shard: 0, position: 4, steps: 5 }
    const [first, second] = await Promise.all([one.train(round, ignore), other.train(round, ignore)])
    assert.deepEqual(second.gradient, first.gradient)
    assert.deepEqual(second.inner, first.inner)
    assert.deepEqual(await other.evaluate(theta, 2), await one.evaluate(theta, 2))
  })

  it('goes on after a restart with the inner state put back, to the same bits', async () => {
    const lasting = await opened()
    const theta = await lasting.initial()
    const { inner } = await lasting.train({ theta, shard: 0, position: 0, steps: 3 }, ignore)
    const expected = await lasting.train({ theta, shard: 0, position: 3, steps: 3 }, ignore)
    const restarted = await opened()
    await restarted.restore(inner)
    const actual = await restarted.train({ theta, shard: 0, position: 3, steps: 3 }, ignore)
    assert.deepEqual(actual.gradient, expected.gradient)
    assert.deepEqual(actual.inner, expected.inner)
  })

  it('reports each step while the round runs', async () => {
    const trainer = await opened()
    const theta = await trainer.initial()
    let done = false
    const seen: [number, boolean][] = []
    await trainer.train({ theta, shard: 0, position: 0, steps: 4 }, ({ step }) => seen.push([step, done]))
    done = true
    assert.deepEqual(
      seen,
      [1, 2, 3, 4].map((step) => [step, false]),
    )
  })

  it('codes a pseudo-gradient and what was lost before, and leaves both as they were', async () => {
    const trainer = await opened()
    const gradient = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i))
    const residual = gradient.map((value) => value / 100)
    const [before, lost] = [gradient.slice(), residual.slice()]
    const coded = await trainer.code({ gradient, residual, codec: 'int4', density: 1 })
    const expected = compress(gradient, residual, codecs.int4)
    assert.deepEqual(coded.payload, expected.payload)
    assert.deepEqual(coded.residual, expected.residual?.after)
    assert.deepEqual(coded.cut, cutOf(expected.payload, sha256))
    assert.equal(coded.norm, expected.norm)
    assert.deepEqual([gradient, residual], [before, lost])
  })

  it('codes nothing that is not finite, and says what is not', async () => {
    const trainer = await opened()
    const gradient = Float32Array.of(1, Number.NaN)
    const nan = trainer.code({ gradient, residual: null, codec: 'int8', density: 1 })
    await assert.rejects(nan, /is NaN at parameter 1; it is not sent/)
    const large = Float32Array.of(3e38)
    const overflow = trainer.code({ gradient: large, residual: large, codec: 'int8', density: 1 })
    await assert.rejects(overflow, /with what was lost before it is Infinity at parameter 0/)
  })

  it('aborts a round within a step, with the inner state as before it', async () => {
    const trainer = await opened()
    const theta = await trainer.initial()
    await trainer.train({ theta, shard: 0, position: 0, steps: 2 }, ignore)
    let lastStep = 0
    const round = trainer.train({ theta, shard: 0, position: 2, steps: 100_000 }, ({ step }) => {
      lastStep = step
      trainer.abort()
    })
    await assert.rejects(round, RoundAborted)
    assert.equal(lastStep, 1)

    const other = await opened()
    await other.train({ theta, shard: 0, position: 0, steps: 2 }, ignore)
    const next = { theta, shard: 0, position: 2, steps: 2 }
    assert.deepEqual((await trainer.train(next, ignore)).inner, (await other.train(next, ignore)).inner)
  })

  it('rejects a round that finished before it saw the abort, and has it undone at the next call', async () => {
    const trainer = await openTrainer(tinySetup(), warn, new URL('./deaf-thread.js', import.meta.url))
    open.push(trainer)
    const round = trainer.train({ theta: new Float32Array(1), shard: 0, position: 0, steps: 1 }, ignore)
    trainer.abort()
    await assert.rejects(round, RoundAborted)
    assert.equal(await trainer.rehearse(new Float32Array(1)), 1)
  })

  it('closes in the midst of native computing and leaves the process alive', async () => {
    const trainer = await opened(
      tinySetup({ engine: 'onnx-cpu', model: modelSchema.parse({ preset: 'micro' }) }),
    )
    const theta = await trainer.initial()
    const round = { theta, shard: 0, position: 0, steps: 1000 }
    let rejected = Promise.resolve()
    await new Promise<void>((began) => {
      rejected = assert.rejects(
        trainer.train(round, () => began()),
        RoundAborted,
      )
    })
    await trainer.close()
    await rejected
    await assert.rejects(trainer.evaluate(theta, 1), RoundAborted)
  })

  it('interrupts the sleep of an emulated slowdown', async () => {
    const trainer = await opened(tinySetup({ slowdown: 1e6 }))
    const theta = await trainer.initial()
    const round = trainer.train({ theta, shard: 0, position: 0, steps: 2 }, ignore)
    const evaluation = trainer.evaluate(theta, 1)
    setTimeout(() => trainer.abort(), 100)
    await assert.rejects(round, RoundAborted)
    assert.ok((await evaluation).loss > 0)
  })

  it('measures its speed with the emulated slowdown reckoned in', async () => {
    const trainer = await opened(tinySetup({ slowdown: 1e6 }))
    assert.ok((await trainer.rehearse(await trainer.initial())) < 0.1)
  })

  it('continues a prompt', async () => {
    const trainer = await opened()
    const text = await trainer.generate(await trainer.initial(), [1, 2, 3], 5, 0.8, 1)
    assert.equal(text.length, 5)
  })

  it('takes one round at a time', async () => {
    const trainer = await opened()
    const round = { theta: await trainer.initial(), shard: 0, position: 0, steps: 2 }
    const first = trainer.train(round, ignore)
    await assert.rejects(trainer.train(round, ignore), /a round is under way already/)
    assert.equal((await first).steps, 2)
  })

  it('passes errors on with what to do about them, and works on', async () => {
    const trainer = await opened()
    const theta = await trainer.initial()
    const broken = theta.map(() => Number.NaN)
    const round = trainer.train({ theta: broken, shard: 0, position: 0, steps: 2 }, ignore)
    await assert.rejects(round, (error: unknown) => {
      return error instanceof UserError && error.kind === 'training' && /learningRate/.test(error.remedy)
    })
    assert.equal((await trainer.train({ theta, shard: 0, position: 0, steps: 1 }, ignore)).inner.updates, 1)
  })

  it('does not open with an engine that is not there', async () => {
    await assert.rejects(openTrainer(tinySetup({ engine: 'abacus' }), warn), (error: unknown) => {
      return (
        error instanceof UserError &&
        error.kind === 'usage' &&
        /auto, onnx-cpu, .* wasm, cpu/.test(error.remedy)
      )
    })
  })

  it('does not open with a model whose sizes do not fit', async () => {
    await assert.rejects(
      openTrainer(tinySetup({ model: { preset: 'nano', heads: 3 } }), warn),
      /3 heads do not divide/,
    )
  })

  it('rejects what is pending, and every later call, when it is closed', async () => {
    const trainer = await opened()
    const theta = await trainer.initial()
    const round = trainer.train({ theta, shard: 0, position: 0, steps: 100_000 }, () => void trainer.close())
    await assert.rejects(round, RoundAborted)
    await assert.rejects(trainer.initial(), RoundAborted)
  })

  for (const how of ['throws', 'exits']) {
    it(`rejects what is pending, and every later call, when the thread ${how}`, async () => {
      const trainer = await openTrainer(
        tinySetup({ engine: how }),
        warn,
        new URL('./dying-thread.js', import.meta.url),
      )
      open.push(trainer)
      const dead = (error: unknown) =>
        error instanceof UserError && /training thread died: .*7/.test(error.message)
      await assert.rejects(trainer.initial(), dead)
      await assert.rejects(trainer.rehearse(new Float32Array(1)), dead)
    })
  }
})
