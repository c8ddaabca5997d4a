// The memory plan: what a training takes, and what is said where that is more than there is.
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { UserError } from '../../src/core/user-error.js'
import { openBackend } from '../../src/engine/backends.js'
import { eagerEngine } from '../../src/engine/eager.js'
import { eagerPeakBytes } from '../../src/engine/eager-memory.js'
import type { Engine } from '../../src/engine/engine.js'
import { EngineInUse } from '../../src/engine/engine-in-use.js'
import { footprintOf } from '../../src/engine/footprints.js'
import { registerGradients } from '../../src/engine/gradients.js'
import { LocalTrainer } from '../../src/engine/local-trainer.js'
import { type Footprint, planMemory, withMemoryPlan } from '../../src/engine/memory-plan.js'
import { microBatchSizes } from '../../src/engine/micro-batches.js'
import { resolveModel } from '../../src/model/config.js'
import { layoutOf } from '../../src/model/parameters.js'
import { innerSchema } from '../../src/swarmfile/schema.js'
import { tinySetup } from './setup.js'

const nano = resolveModel({ preset: 'nano' }, 64)
const options = innerSchema.parse({})

before(registerGradients)

describe('The activations planned', () => {
  for (const engine of ['onnx-cpu', 'onnx-webgpu', 'wasm'])
    it(`on ${engine} grow with the sequences at once, and with the model`, async () => {
      if (engine === 'wasm') await openBackend('wasm', 1)
      const of = (layers: number, rows: number) => {
        const config = { ...nano, layers }
        return footprintOf(engine, { config, layout: layoutOf(config), options }).activations(rows)
      }
      const [small, batch, deep] = [await of(1, 1), await of(1, 8), await of(6, 8)]
      assert.ok(small < batch && batch < deep, `${small}, ${batch}, ${deep}`)
    })

  it('of an eager step are every tensor of it: at least a gradient, and the updated state beside the old', async () => {
    await openBackend('wasm', 1)
    const layout = layoutOf(nano)
    const bytes = await eagerPeakBytes({ config: nano, layout, options }, 1)
    assert.ok(bytes > 4 * layout.size * Float32Array.BYTES_PER_ELEMENT, `${bytes}`)
  })
})

/** An engine of easy numbers: 10 MB besides activations, of which each sequence needs 2 MB. */
const footprint = (changes: Partial<Footprint> = {}): Footprint => ({
  buffer: 1e6,
  buffers: { parameters: 2, optimizer: 4, gradient: 1 },
  runtime: 3e6,
  keepsEachSize: false,
  activations: (rows) => Promise.resolve(rows * 2e6),
  ...changes,
})

describe('A memory plan', () => {
  it('adds up what there is of everything', async () => {
    const { total, ...parts } = await planMemory(footprint(), 8, Number.POSITIVE_INFINITY)
    assert.deepEqual(parts, {
      parameters: 2e6,
      optimizer: 4e6,
      gradient: 1e6,
      activations: 16e6,
      runtime: 3e6,
      rows: 8,
      microBatch: 8,
    })
    assert.equal(total, 26e6)
  })

  it('has a second gradient and fewer activations where the batch is taken in parts', async () => {
    const plan = await planMemory(footprint(), 8, 3)
    assert.equal(plan.gradient, 2e6)
    assert.equal(plan.activations, 6e6)
  })

  it('has activations of either size where parts are uneven and the engine keeps both', async () => {
    assert.equal((await planMemory(footprint({ keepsEachSize: true }), 8, 3)).activations, (3 + 2) * 2e6)
  })
})

const idle: Engine = {
  name: 'idle',
  reason: 'a test',
  threads: 1,
  train: () => assert.fail('trains'),
  infer: () => assert.fail('infers'),
}

/** Why an engine refuses to train with so much memory. */
async function refusal(
  available: number,
  rows: number,
  microBatch: number,
  of = footprint(),
): Promise<UserError> {
  const engine = await withMemoryPlan(idle, of, { rows, microBatch }, available)
  try {
    engine.train(new Float32Array(1), { m: new Float32Array(1), v: new Float32Array(1), updates: 0 })
  } catch (error) {
    assert.ok(error instanceof UserError, String(error))
    return error
  }
  return assert.fail('it trains')
}

describe('Too little memory', () => {
  it('is an error that says what is needed for what, what is there, and which micro-batch fits', async () => {
    const { kind, message, remedy } = await refusal(17e6, 8, Number.POSITIVE_INFINITY)
    assert.equal(kind, 'engine')
    assert.equal(
      message,
      'training with 8 sequences needs 26 MB of memory (parameters 2 MB, optimizer 4 MB, gradient 1 MB, ' +
        'activations 16 MB, runtime 3 MB), and 17 MB are available',
    )
    assert.match(remedy, /17 MB are enough with --micro-batch 3$/)
  })

  it('for the micro-batch that was asked for names a smaller one', async () => {
    const { message, remedy } = await refusal(14e6, 8, 4)
    assert.match(message, /^training with 4 of 8 sequences at once needs 19 MB/)
    assert.match(remedy, /--micro-batch 1$/)
  })

  it('for a single sequence says so, and what to change', async () => {
    const { remedy } = await refusal(12e6, 8, Number.POSITIVE_INFINITY)
    assert.match(remedy, /^even one sequence at once needs 13 MB: choose a smaller run\.model/)
    assert.match((await refusal(9e6, 1, 1)).message, /^training with 1 sequence needs 12 MB/)
  })

  it('leads to a micro-batch that fits, and to the largest where a part of another size needs nothing of its own', async () => {
    const batches = fc.integer({ min: 2, max: 40 })
    const needs = fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 41, maxLength: 41 })
    const law = fc.asyncProperty(
      batches,
      needs,
      fc.integer({ min: 11, max: 60 }),
      fc.boolean(),
      async (rows, figures, available, keepsEachSize) => {
        // More sequences never need less.
        const needs = figures.toSorted((a, b) => a - b)
        const of = footprint({ keepsEachSize, activations: (size) => Promise.resolve(needs[size] * 1e6) })
        const totalOf = async (most: number) => (await planMemory(of, rows, most)).total
        fc.pre((await totalOf(rows)) > available * 1e6)
        const { remedy } = await refusal(available * 1e6, rows, rows, of)
        const named = Number(/--micro-batch (\d+)$/.exec(remedy)?.[1] ?? 0)
        assert.equal(named > 0, (await totalOf(1)) <= available * 1e6)
        if (named > 0) assert.ok((await totalOf(named)) <= available * 1e6)
        for (let larger = named + 1; larger < rows && !keepsEachSize; larger++) {
          const isSame = microBatchSizes(rows, larger)[0] === named
          assert.ok(isSame || (await totalOf(larger)) > available * 1e6, `${larger} fits, not only ${named}`)
        }
      },
    )
    await fc.assert(law, { numRuns: 50 })
  })

  it('ends a run before its first step, while evaluation goes on', async () => {
    const setup = tinySetup()
    const model = resolveModel(setup.model, setup.tokens.vocabulary)
    const engine = eagerEngine(await openBackend('wasm', 1), model, setup.inner)
    const own = footprintOf('wasm', { config: model, layout: layoutOf(model), options: setup.inner })
    const batch = { rows: setup.inner.batch, microBatch: Number.POSITIVE_INFINITY }
    const planned = await withMemoryPlan(engine, own, batch, 1e6)
    const inUse = new EngineInUse(planned, () => assert.fail('it is replaced'), assert.fail)
    const trainer = new LocalTrainer(inUse, model, setup)
    const theta = trainer.initial()
    await assert.rejects(trainer.rehearse(theta), /needs \d+ MB of memory .* and 1 MB are available/)
    const round = trainer.train(
      { theta, shard: 0, position: 0, steps: 1 },
      { isAborted: () => false, sleep: () => {}, onStep: () => assert.fail('a step') },
    )
    await assert.rejects(round, UserError)
    assert.ok((await trainer.evaluate(theta, 1)).loss > 0)
  })

  it('is no matter where nobody knows how much there is, or it is enough', async () => {
    for (const available of [null, 26e6]) {
      const engine = await withMemoryPlan(idle, footprint(), { rows: 8, microBatch: 8 }, available)
      assert.equal(engine.train, idle.train)
      assert.equal(engine.memory?.total, 26e6)
      assert.equal(engine.memory?.available, available)
    }
  })
})
