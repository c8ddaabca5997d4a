// One suite for every engine that this machine has: what it computes, and what it keeps, are those of TensorFlow.js's
// cpu backend.
import assert from 'node:assert/strict'
import * as tf from '@tensorflow/tfjs-core'
import { UserError } from '../../src/core/user-error.js'
import { openBackend } from '../../src/engine/backends.js'
import { eagerEngine } from '../../src/engine/eager.js'
import type { Engine, TrainingSession } from '../../src/engine/engine.js'
import { EngineInUse } from '../../src/engine/engine-in-use.js'
import { LocalTrainer, type RoundControl } from '../../src/engine/local-trainer.js'
import { type EngineName, engineNames } from '../../src/engine/names.js'
import { loaders } from '../../src/engine/open-engine.js'
import type { MakeEngine } from '../../src/engine/self-check.js'
import { type ModelConfig, resolveModel } from '../../src/model/config.js'
import { initialParameters, layoutOf } from '../../src/model/parameters.js'
import { RoundAborted } from '../../src/ports/trainer.js'
import { innerSchema } from '../../src/swarmfile/schema.js'
import { relativeDifference } from '../model/backend.js'
import { batchOf, bitsOf, freshState } from './sessions.js'
import { tinySetup } from './setup.js'

const config = resolveModel({ preset: 'nano' }, 64)
const options = innerSchema.parse({})
const ROWS = 3
const STEPS = 20
const theta = initialParameters(config, 7)

/** Warms up, as trainings do. */
const learningRateOf = (step: number): number => 1e-3 * Math.min(1, (step + 1) / 5)

/** What the cpu backend makes of the same steps. */
interface Reference {
  readonly losses: readonly number[]
  readonly norms: readonly number[]
  /** The first moment after one update: the clipped gradient times 1 - beta1. */
  readonly firstMoment: Float32Array
  readonly evaluated: number
  readonly logits: readonly Float32Array[]
}

/** One token, some, and as many as the model sees. */
const prompts = [1, 5, config.context].map((length) => [...batchOf(config, ROWS, 99).subarray(0, length)])

async function observe(engine: Engine): Promise<Reference> {
  const [losses, norms]: number[][] = [[], []]
  let firstMoment = new Float32Array()
  const session = engine.train(theta, freshState(config))
  try {
    for (let step = 0; step < STEPS; step++) {
      const { loss, norm } = await session.step(batchOf(config, ROWS, step), learningRateOf(step))
      losses.push(loss)
      norms.push(norm)
      if (step === 0) firstMoment = Float32Array.from((await session.read()).inner.m)
    }
    const trained = (await session.read()).theta
    return { losses, norms, firstMoment, ...(await infer(engine, trained)) }
  } finally {
    session.dispose()
  }
}

async function infer(engine: Engine, trained: Float32Array) {
  const inference = engine.infer(trained)
  try {
    const evaluated = await inference.loss(batchOf(config, ROWS, 50))
    const logits: Float32Array[] = []
    for (const prompt of prompts) logits.push(await inference.nextLogits(prompt))
    return { evaluated, logits }
  } finally {
    inference.dispose()
  }
}

let known: Promise<Reference> | null = null
function reference(): Promise<Reference> {
  known ??= openBackend('cpu', 1).then((backend) => observe(eagerEngine(backend, config, options)))
  return known
}

/** Length of the difference, in lengths of `expected`. */
function relativeDistance(actual: Float32Array, expected: Float32Array): number {
  assert.equal(actual.length, expected.length)
  return Math.hypot(...actual.map((value, i) => value - expected[i])) / Math.hypot(...expected)
}

const relative = (actual: number, expected: number): number => Math.abs(actual / expected - 1)

type Loaded = { readonly make: () => Promise<MakeEngine> } | { readonly missing: string }

/** Tries whether the engine is there; a loader makes its backend the current one each time. */
async function load(name: Exclude<EngineName, 'auto'>): Promise<Loaded> {
  // As `auto` looks for it: without asking a graphics library where the system shows no GPU.
  const make = async () => loaders[name]({ engine: 'auto', device: null, threads: 2 })
  try {
    await make()
    return { make }
  } catch (error) {
    if (error instanceof UserError) return { missing: error.message.split('\n')[0] }
    throw error
  }
}

for (const name of engineNames) {
  if (name === 'auto' || name === 'cpu') continue
  const loaded = await load(name)
  if ('missing' in loaded)
    describe.skip(`The engine ${name}, which is not here (${loaded.missing}),`, () => suite(null))
  else describe(`The engine ${name}`, () => suite(loaded.make))
}

function suite(load: (() => Promise<MakeEngine>) | null): void {
  const open = async (model: ModelConfig = config, microBatch?: number): Promise<Engine> => {
    const make = await load!()
    return make(model, options, microBatch)
  }

  async function inSession<T>(engine: Engine, work: (session: TrainingSession) => Promise<T>): Promise<T> {
    const session = engine.train(theta, freshState(config))
    try {
      return await work(session)
    } finally {
      session.dispose()
    }
  }

  const take = async (session: TrainingSession, from: number, to: number): Promise<void> => {
    for (let step = from; step < to; step++) {
      await session.step(batchOf(config, ROWS, step), learningRateOf(step))
    }
  }

  it('takes twenty steps of nano as the cpu backend does', async () => {
    const expected = await reference()
    const actual = await observe(await open())
    for (let step = 0; step < STEPS; step++) {
      assert.ok(relative(actual.losses[step], expected.losses[step]) < 1e-5, `the loss of step ${step}`)
      assert.ok(relative(actual.norms[step], expected.norms[step]) < 1e-4, `the norm of step ${step}`)
    }
    const distance = relativeDistance(actual.firstMoment, expected.firstMoment)
    assert.ok(distance < 1e-4, `the gradients are ${distance} apart`)
    assert.ok(expected.losses[STEPS - 1] < expected.losses[0])
    assert.ok(relative(actual.evaluated, expected.evaluated) < 1e-4)
    for (const [i, logits] of expected.logits.entries()) {
      assert.ok(
        relativeDifference(actual.logits[i], logits) < 1e-3,
        `the logits after ${prompts[i].length} tokens`,
      )
    }
  })

  it('takes a batch in micro-batches with the gradient of the whole', async () => {
    const { losses, firstMoment } = await reference()
    await inSession(await open(config, 2), async (session) => {
      const { loss } = await session.step(batchOf(config, ROWS, 0), learningRateOf(0))
      assert.ok(relative(loss, losses[0]) < 1e-5)
      assert.ok(relativeDistance((await session.read()).inner.m, firstMoment) < 1e-4)
    })
  })

  it('goes on from what was read as the first session does, bit for bit', async () => {
    const engine = await open()
    await inSession(engine, async (session) => {
      await take(session, 0, 3)
      const saved = await session.read()
      const again = engine.train(saved.theta, saved.inner)
      try {
        assert.equal(bitsOf(await again.read()), bitsOf(saved))
        await take(session, 3, 6)
        await take(again, 3, 6)
        assert.equal(bitsOf(await again.read()), bitsOf(await session.read()))
      } finally {
        again.dispose()
      }
    })
  })

  it('takes a round that was aborted on the way as if it had not been', async () => {
    const setup = tinySetup()
    const model = resolveModel(setup.model, setup.tokens.vocabulary)
    const make = await load!()
    const fail = (error: Error | string): never => assert.fail(error)
    const trainer = async () => {
      const engine = await make(model, setup.inner)
      const inUse = new EngineInUse(engine, async ({ name }) => fail(`${name} failed`), fail)
      return new LocalTrainer(inUse, model, setup)
    }
    const quiet: RoundControl = { isAborted: () => false, sleep: () => {}, onStep: () => {} }
    const rounds = async (abortedAfter: number | null) => {
      const local = await trainer()
      const start = local.initial()
      const first = await local.train({ theta: start, shard: 0, position: 0, steps: 2 }, quiet)
      const middle = start.map((value, i) => value - first.gradient[i])
      const second = { theta: middle, shard: 0, position: 2, steps: 5 }
      if (abortedAfter !== null) {
        let taken = 0
        const control = { ...quiet, isAborted: () => taken === abortedAfter, onStep: () => (taken += 1) }
        await assert.rejects(local.train(second, control), RoundAborted)
        assert.equal(taken, abortedAfter)
        assert.equal(local.inner, first.inner)
      }
      const { gradient, inner, meanLoss } = await local.train(second, quiet)
      return `${bitsOf({ theta: gradient, inner })} ${meanLoss}`
    }
    const expected = await rounds(null)
    for (const abortedAfter of [0, 3, 5]) assert.equal(await rounds(abortedAfter), expected)
  })

  it('leaves parameters and moments bit for bit where a loss is not finite, and goes on after it', async () => {
    const engine = await open()
    const { tensors } = layoutOf(config)
    const gain = tensors.find((tensor) => tensor.name === 'norm.gain')!
    const trained = await inSession(engine, async (session) => {
      await take(session, 0, 2)
      return session.read()
    })
    for (const [place, value] of [
      [0, Number.NaN],
      [gain.offset, Number.POSITIVE_INFINITY],
      [gain.offset + 1, 3e38],
    ]) {
      const broken = trained.theta.with(place, value)
      const session = engine.train(broken, trained.inner)
      try {
        const { loss, norm } = await session.step(batchOf(config, ROWS, 0), 1e-3)
        assert.ok(
          !(Number.isFinite(loss) && Number.isFinite(norm)),
          `loss ${loss}, norm ${norm} after ${value}`,
        )
        assert.equal(bitsOf(await session.read()), bitsOf({ theta: broken, inner: trained.inner }))
      } finally {
        session.dispose()
      }
    }
    const sound = engine.train(trained.theta, trained.inner)
    await sound.step(batchOf(config, ROWS, 2), 1e-3)
    assert.equal((await sound.read()).inner.updates, 3)
    sound.dispose()
  })

  it('leaves what it was given as it was', async () => {
    const given = freshState(config)
    const bits = bitsOf({ theta, inner: given })
    const session = (await open()).train(theta, given)
    await take(session, 0, 2)
    session.dispose()
    assert.equal(bitsOf({ theta, inner: given }), bits)
  })

  it('leaves no tensors behind', async () => {
    const engine = await open()
    const { numTensors } = tf.memory()
    await inSession(engine, (session) => take(session, 0, 2))
    await infer(engine, theta)
    assert.equal(tf.memory().numTensors, numTensors)
  })
}
