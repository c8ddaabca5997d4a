// The compiled engine of the CPU: the same bits in every run and on any number of threads, programs compiled once.
import assert from 'node:assert/strict'
import type { Engine } from '../../../src/engine/engine.js'
import { registerGradients } from '../../../src/engine/gradients.js'
import { hostEngine } from '../../../src/engine/onnx/host-engine.js'
import { loadRuntime } from '../../../src/engine/onnx/runtime.js'
import { type ModelConfig, resolveModel } from '../../../src/model/config.js'
import { initialParameters, layoutOf } from '../../../src/model/parameters.js'
import { innerSchema } from '../../../src/swarmfile/schema.js'
import { batchOf, bitsOf, freshState } from '../sessions.js'

const options = innerSchema.parse({})
const nano = resolveModel({ preset: 'nano' }, 64)

async function open(config: ModelConfig, threads: number, microBatch?: number): Promise<Engine> {
  registerGradients()
  return hostEngine({ config, layout: layoutOf(config) }, options, threads, microBatch)
}

/** Loss, norm and all of the state after some steps, as bits. */
async function trained(engine: Engine, config: ModelConfig, rows: number, steps: number): Promise<string> {
  const session = engine.train(initialParameters(config, 3), freshState(config))
  try {
    const metrics: number[] = []
    for (let step = 0; step < steps; step++) {
      const { loss, norm } = await session.step(batchOf(config, rows, step), 1e-3)
      metrics.push(loss, norm)
    }
    return `${metrics} ${bitsOf(await session.read())}`
  } finally {
    session.dispose()
  }
}

describe('Compiled training on the CPU', () => {
  const wide = { preset: 'micro', layers: 1 } as const
  const sizes = [
    { what: 'of nano', config: nano, rows: 4 },
    { what: 'of 1024 tokens at width 128', config: resolveModel(wide, 256), rows: 8 },
    { what: 'with a vocabulary larger than its 1024 tokens', config: resolveModel(wide, 2048), rows: 8 },
    { what: 'in micro-batches', config: nano, rows: 5, microBatch: 2 },
  ]
  for (const { what, config, rows, microBatch } of sizes) {
    it(`${what} gives the same bits in every run, and on 1 and 2 threads`, async () => {
      const results = new Set<string>()
      for (const threads of [1, 2]) {
        const engine = await open(config, threads, microBatch)
        for (let run = 0; run < 2; run++) results.add(await trained(engine, config, rows, 3))
      }
      assert.equal(results.size, 1)
    })
  }
})

describe('The sessions of the compiled engine', () => {
  it('do not touch each other, nor what they were given', async () => {
    const engine = await open(nano, 1)
    const alone = await trained(engine, nano, 2, 2)
    const theta = initialParameters(nano, 3)
    const untouched = theta.slice()
    const [one, other] = [engine.train(theta, freshState(nano)), engine.train(theta, freshState(nano))]
    const metrics: number[] = []
    for (let step = 0; step < 2; step++) {
      const { loss, norm } = await one.step(batchOf(nano, 2, step), 1e-3)
      metrics.push(loss, norm)
      await other.step(batchOf(nano, 2, step + 7), 1e-2)
    }
    assert.equal(`${metrics} ${bitsOf(await one.read())}`, alone)
    assert.notEqual(bitsOf(await other.read()), bitsOf(await one.read()))
    assert.deepEqual(theta, untouched)
    one.dispose()
    other.dispose()
  })

  it('keep what was read from them as it was while they go on, and after they end', async () => {
    const engine = await open(nano, 1)
    const session = engine.train(initialParameters(nano, 3), freshState(nano))
    await session.step(batchOf(nano, 2, 0), 1e-3)
    const read = await session.read()
    const bits = bitsOf(read)
    await session.step(batchOf(nano, 2, 1), 1e-3)
    assert.notEqual(bitsOf(await session.read()), bits)
    session.dispose()
    await trained(engine, nano, 2, 1)
    assert.equal(bitsOf(read), bits)
  })

  it('do not share memory after one of them was ended twice', async () => {
    const engine = await open(nano, 1)
    const ended = engine.train(initialParameters(nano, 3), freshState(nano))
    ended.dispose()
    const one = engine.train(initialParameters(nano, 1), freshState(nano))
    ended.dispose()
    const other = engine.train(initialParameters(nano, 2), freshState(nano))
    assert.deepEqual((await one.read()).theta, initialParameters(nano, 1))
    one.dispose()
    other.dispose()
  })
})

describe('Programs of the compiled engine', () => {
  /** How many programs ONNX Runtime is given to compile during `work`. */
  async function compilations(work: () => Promise<unknown>): Promise<number> {
    const { InferenceSession } = await loadRuntime()
    const { create } = InferenceSession
    let count = 0
    InferenceSession.create = ((...given: Parameters<typeof create>) => {
      count += 1
      return create.apply(InferenceSession, given)
    }) as typeof create
    try {
      await work()
    } finally {
      InferenceSession.create = create
    }
    return count
  }

  it('are compiled once for each size of a batch; how many steps are taken is no part of them', async () => {
    const engine = await open(nano, 1)
    const first = await compilations(() => trained(engine, nano, 2, 1))
    assert.ok(first > 0)
    assert.equal(await compilations(() => trained(engine, nano, 2, 5)), 0)
    assert.equal(await compilations(() => trained(engine, nano, 3, 1)), 1)
    assert.equal(await compilations(() => trained(engine, nano, 3, 3)), 0)
    assert.equal(await compilations(() => trained(engine, nano, 2, 2)), 0)
  })

  it('are compiled once when two sessions need the same at the same time', async () => {
    const engine = await open(nano, 1)
    const one = await compilations(() => trained(engine, nano, 2, 1))
    const both = await open(nano, 1)
    const together = () => Promise.all([trained(both, nano, 2, 2), trained(both, nano, 2, 2)])
    assert.equal(await compilations(together), one)
  })

  it('are compiled for the sizes of micro-batches, whatever the batch', async () => {
    const engine = await open(nano, 1, 2)
    const first = await compilations(() => trained(engine, nano, 4, 1))
    assert.equal(await compilations(() => trained(engine, nano, 8, 2)), 0)
    // Five rows are two, two and one.
    assert.equal(await compilations(() => trained(engine, nano, 5, 2)), 1)
    assert.ok(first > 0)
  })

  it('for evaluation and generation are compiled once as well, whatever the prompt', async () => {
    const engine = await open(nano, 1)
    const session = engine.infer(initialParameters(nano, 3))
    assert.equal(await compilations(() => session.loss(batchOf(nano, 2, 0))), 1)
    assert.equal(await compilations(() => session.loss(batchOf(nano, 2, 1))), 0)
    assert.equal(await compilations(() => session.nextLogits([1])), 1)
    assert.equal(await compilations(() => session.nextLogits([1, 2, 3])), 0)
    session.dispose()
  })
})
