// Rows added where their indices say: on several threads no update may be lost. ONNX Runtime's own operator for it,
// ScatterND with a reduction, loses them.
import assert from 'node:assert/strict'
import * as tf from '@tensorflow/tfjs-core'
import { openBackend } from '../../../src/engine/backends.js'
import { lowerForCpu } from '../../../src/engine/onnx/lower-cpu.js'
import { lowerForCuda, lowerForWebgpu } from '../../../src/engine/onnx/lower-gpu.js'
import { modelFile } from '../../../src/engine/onnx/model-file.js'
import {
  traceEvaluation,
  traceFlatGradient,
  traceGradient,
  traceNextLogits,
  traceStep,
} from '../../../src/engine/onnx/programs.js'
import { resolveModel } from '../../../src/model/config.js'
import { layoutOf } from '../../../src/model/parameters.js'
import { innerSchema } from '../../../src/swarmfile/schema.js'
import { relativeDifference } from '../../model/backend.js'
import { executeOften, type Feeds, floats, integers, plainly, record } from '../trace/programs.js'
import { readModel } from './onnx-reader.js'

const UPDATES = 2048
const WIDTH = 256

/** Many updates of few rows: `rows` different indices, scattered over all of them. */
function updates(vocabulary: number, rows: number): Feeds {
  const ids = Array.from({ length: UPDATES }, (_, n) => ((n * 7919) % rows) * Math.floor(vocabulary / rows))
  return { rows: floats([UPDATES, WIDTH], 1), ids: integers([UPDATES], ids) }
}

/** Their sums in float64, one after another. */
function sums({ rows, ids }: Feeds, vocabulary: number): Float64Array {
  const table = new Float64Array(vocabulary * WIDTH)
  for (const [n, id] of ids.data.entries()) {
    for (let i = 0; i < WIDTH; i++) table[id * WIDTH + i] += rows.data[n * WIDTH + i]
  }
  return table
}

describe('Adding 2048 rows of 256 at repeated indices on 2 threads', () => {
  const cases = [
    { vocabulary: 4096, rows: 16, runs: 25, what: 'a few rows of a vocabulary larger than the updates' },
    { vocabulary: 4096, rows: 1024, runs: 10, what: 'many rows of a vocabulary larger than the updates' },
    { vocabulary: 64, rows: 16, runs: 40, what: 'a few rows of a small vocabulary' },
    { vocabulary: 64, rows: 64, runs: 40, what: 'all rows of a small vocabulary' },
  ]
  for (const { vocabulary, rows, runs, what } of cases) {
    it(`loses none in ${what}, and gives the same bits in every run`, async () => {
      const feeds = updates(vocabulary, rows)
      const graph = await record(feeds, (t) => ({
        table: tf.scatterND(tf.reshape(t.ids, [UPDATES, 1]), t.rows, [vocabulary, WIDTH]),
      }))
      const expected = sums(feeds, vocabulary)
      const [first, ...others] = await executeOften(plainly(graph), feeds, 2, runs)
      const difference = relativeDifference(first.table.values, expected)
      assert.ok(difference < 1e-5, `the sums differ by ${difference}`)
      const bits = Buffer.from(first.table.values.buffer)
      for (const { table } of others) assert.ok(bits.equals(Buffer.from(table.values.buffer)))
    })
  }
})

describe('No program of a training', () => {
  before(() => openBackend('cpu', 1))

  for (const vocabulary of [16, 512]) {
    it(`reduces in a scatter, with a vocabulary of ${vocabulary} beside 64 tokens`, async () => {
      const config = resolveModel({ preset: 'nano', layers: 1 }, vocabulary)
      const model = { config, layout: layoutOf(config) }
      const recorded = [
        await traceGradient(model, 2),
        await traceFlatGradient(model, 2),
        await traceStep(model, 2, innerSchema.parse({})),
        await traceEvaluation(model, 2),
        await traceNextLogits(model),
      ]
      let scatters = 0
      for (const graph of recorded) {
        for (const lowered of [lowerForCpu(graph).graph, lowerForWebgpu(graph), lowerForCuda(graph)]) {
          for (const { operator, domain, attributes } of readModel(modelFile(lowered)).graph.nodes) {
            assert.notEqual(domain, 'trace', `${operator} is not lowered`)
            if (!operator.startsWith('Scatter')) continue
            scatters += 1
            assert.deepEqual(attributes, {}, operator)
          }
        }
      }
      // The cross-entropy's gradient scatters, so that there is something to look at.
      assert.ok(scatters > 0)
    })
  }
})
