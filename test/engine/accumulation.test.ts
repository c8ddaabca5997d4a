// Batches taken in parts: the same training as with the whole batch at once.
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { openBackend } from '../../src/engine/backends.js'
import { eagerEngine } from '../../src/engine/eager.js'
import type { Engine } from '../../src/engine/engine.js'
import { registerGradients } from '../../src/engine/gradients.js'
import { microBatches, microBatchSizes, runningMean, tokensOf } from '../../src/engine/micro-batches.js'
import { hostEngine } from '../../src/engine/onnx/host-engine.js'
import { initialParameters, layoutOf } from '../../src/model/parameters.js'
import { innerSchema } from '../../src/swarmfile/schema.js'

const model = { vocabulary: 32, width: 16, layers: 2, heads: 2, headSize: 8, context: 12 }
const layout = layoutOf(model)
const options = innerSchema.parse({})
const ROWS = 7
const LEARNING_RATE = 0.01

/** Rows that differ much, so that weighing them wrongly shows: each keeps to a few tokens of its own. */
const tokens = Int32Array.from({ length: ROWS * (model.context + 1) }, (_, i) => {
  const row = Math.floor(i / (model.context + 1))
  return (row * 4 + ((i * i) % (row + 1))) % model.vocabulary
})

const engines: readonly [name: string, open: (microBatch?: number) => Promise<Engine>][] = [
  ['onnx-cpu', (microBatch) => hostEngine({ config: model, layout }, options, 1, microBatch)],
  ['wasm', async (microBatch) => eagerEngine(await openBackend('wasm', 1), model, options, microBatch)],
]

before(registerGradients)

async function steps(engine: Engine, count: number) {
  const zeros = () => new Float32Array(layout.size)
  const session = engine.train(initialParameters(model, 3), { m: zeros(), v: zeros(), updates: 0 })
  try {
    const metrics = []
    for (let step = 0; step < count; step++) metrics.push(await session.step(tokens, LEARNING_RATE))
    return { metrics, ...(await session.read()) }
  } finally {
    session.dispose()
  }
}

/** |a - b| / |b|, Euclidean. */
function difference(a: Float32Array, b: Float32Array): number {
  const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0))
  return norm(a.map((value, i) => value - b[i])) / norm(b)
}

const close = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual / expected - 1) < 1e-5, `${actual} is not ${expected}`)

for (const [name, open] of engines) {
  describe(`Micro-batches on ${name}`, () => {
    for (const microBatch of [1, 2, 3, 4, 6])
      it(`of at most ${microBatch} of ${ROWS} sequences give loss, norm and gradient of the whole batch`, async () => {
        const whole = await steps(await open(), 1)
        const parts = await steps(await open(microBatch), 1)
        close(parts.metrics[0].loss, whole.metrics[0].loss)
        close(parts.metrics[0].norm, whole.metrics[0].norm)
        // After one update from zero the first moment is the clipped gradient times 1 - beta1.
        const off = difference(parts.inner.m, whole.inner.m)
        assert.ok(off < 1e-5, `the gradient differs by ${off}`)
      })

    it('are one update: clip, moments and parameters stay with the whole batch over several steps', async () => {
      const whole = await steps(await open(), 4)
      const parts = await steps(await open(3), 4)
      assert.equal(parts.inner.updates, 4)
      close(parts.metrics[3].loss, whole.metrics[3].loss)
      assert.ok(difference(parts.theta, whole.theta) < 1e-4)
    })

    it('give the evaluation of the whole batch', async () => {
      const theta = initialParameters(model, 3)
      const loss = async (microBatch?: number) => {
        const session = (await open(microBatch)).infer(theta)
        try {
          return await session.loss(tokens)
        } finally {
          session.dispose()
        }
      }
      close(await loss(3), await loss())
    })
  })
}

describe('A batch cut into micro-batches', () => {
  const rows = fc.integer({ min: 1, max: 300 })
  const most = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constant(Number.POSITIVE_INFINITY))

  it('has every row once, in order, in the fewest parts of at most so many', () => {
    const law = fc.property(rows, most, (batch, limit) => {
      const parts = microBatches(batch, limit)
      assert.equal(parts.length, Math.ceil(batch / Math.min(batch, limit)))
      let next = 0
      for (const part of parts) {
        assert.equal(part.first, next)
        assert.ok(part.rows >= 1 && part.rows <= limit)
        next += part.rows
      }
      assert.equal(next, batch)
    })
    fc.assert(law)
  })

  it('has parts of two sizes at most, the last being the smaller', () => {
    const law = fc.property(rows, most, (batch, limit) => {
      const sizes = microBatchSizes(batch, limit)
      assert.ok(sizes.length <= 2)
      if (sizes.length === 2) assert.ok(sizes[1] < sizes[0])
    })
    fc.assert(law)
  })

  it('has as its running mean the mean over all rows', () => {
    const law = fc.property(rows, most, (batch, limit) => {
      const parts = microBatches(batch, limit)
      const valueAt = (row: number) => Math.sin(row)
      const meanOf = (first: number, count: number) =>
        Array.from({ length: count }, (_, i) => valueAt(first + i)).reduce((sum, value) => sum + value, 0) /
        count
      const mean = parts.reduce((before, part) => runningMean(before, meanOf(part.first, part.rows), part), 0)
      assert.ok(Math.abs(mean - meanOf(0, batch)) < 1e-12)
    })
    fc.assert(law)
  })

  it('gives each part its own tokens', () => {
    const flat = Int32Array.from({ length: 10 }, (_, i) => i)
    const [first, second] = microBatches(5, 3).map((part) => [...tokensOf(flat, part, 2)])
    assert.deepEqual(first, [0, 1, 2, 3, 4, 5])
    assert.deepEqual(second, [6, 7, 8, 9])
  })
})
