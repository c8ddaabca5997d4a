// The engine of GPUs: where WebGPU finds one its state stays there from step to step, and is freed.
import assert from 'node:assert/strict'
import type { Tensor } from 'onnxruntime-node'
import { openBackend } from '../../../src/engine/backends.js'
import type { Engine } from '../../../src/engine/engine.js'
import { deviceEngine } from '../../../src/engine/onnx/device-engine.js'
import { DeviceInference } from '../../../src/engine/onnx/device-inference.js'
import type { DevicePrograms } from '../../../src/engine/onnx/device-programs.js'
import { lowerForWebgpu } from '../../../src/engine/onnx/lower-gpu.js'
import { traceEvaluation } from '../../../src/engine/onnx/programs.js'
import { isGpuInSight, requireProvider } from '../../../src/engine/onnx/providers.js'
import { compile, loadRuntime, type Runtime } from '../../../src/engine/onnx/runtime.js'
import { resolveModel } from '../../../src/model/config.js'
import { initialParameters, layoutOf } from '../../../src/model/parameters.js'
import { innerSchema } from '../../../src/swarmfile/schema.js'
import { batchOf, freshState } from '../sessions.js'

const config = resolveModel({ preset: 'nano', context: 8, layers: 1 }, 64)
const theta = initialParameters(config, 1)
const ROWS = 3

/** Emulated GPUs are named to the graphics library by these variables. */
const isNamed = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'].some((name) => process.env[name] !== undefined)

async function isThere(): Promise<boolean> {
  if (!isGpuInSight() && !isNamed) return false
  return requireProvider('webgpu', 0).then(
    () => true,
    () => false,
  )
}

interface Run {
  readonly inputs: readonly Tensor[]
  readonly locations: readonly string[]
}

/** Does some work, and remembers what each run of a program was given, and where it lay. */
async function observed({ InferenceSession }: Runtime, work: () => Promise<void>): Promise<Run[]> {
  const runs: Run[] = []
  const prototype = (InferenceSession as unknown as { prototype: { run: (...args: unknown[]) => unknown } })
    .prototype
  const { run } = prototype
  prototype.run = function (this: unknown, ...args: unknown[]) {
    const feeds = args[0] as Readonly<Record<string, Tensor>>
    const inputs = ['theta', 'm', 'v'].flatMap((name) => feeds[name] ?? [])
    runs.push({ inputs, locations: inputs.map(({ location }) => location) })
    return run.apply(this, args)
  }
  try {
    await work()
    return runs
  } finally {
    prototype.run = run
  }
}

describe('Training on WebGPU', () => {
  let engine: Engine
  let runtime: Runtime
  before(async function () {
    await openBackend('cpu', 1)
    if (!(await isThere())) {
      console.log('      (no GPU that WebGPU could use: skipped)')
      this.skip()
    }
    runtime = await loadRuntime()
    engine = await deviceEngine('webgpu', { config, layout: layoutOf(config) }, innerSchema.parse({}), 0)
  })

  it('keeps parameters and moments on the device from the first step to the reading', async () => {
    const session = engine.train(theta, freshState(config))
    const runs = await observed(runtime, async () => {
      for (let step = 0; step < 3; step++) await session.step(batchOf(config, ROWS, step), 1e-3)
      const { inner } = await session.read()
      assert.equal(inner.m.length, theta.length)
    })
    session.dispose()
    const [onHost, onDevice] = ['cpu', 'gpu-buffer'].map((location) => [location, location, location])
    assert.deepEqual(
      runs.map(({ locations }) => locations),
      [onHost, onDevice, onDevice, onDevice],
    )
  })

  it('frees the state of a step after the next, and the last with the session', async () => {
    const session = engine.train(theta, freshState(config))
    const runs = await observed(runtime, async () => {
      for (let step = 0; step < 3; step++) await session.step(batchOf(config, ROWS, step), 1e-3)
      await session.read()
    })
    const isFreed = ({ inputs }: Run) => inputs.every((tensor) => tensor.location === ('none' as string))
    assert.deepEqual(runs.map(isFreed), [true, true, true, false])
    session.dispose()
    assert.deepEqual(runs.map(isFreed), [true, true, true, true])
  })

  it('leaves the state as it is where the loss is not finite', async () => {
    const session = engine.train(
      theta.map(() => Number.NaN),
      freshState(config),
    )
    const { loss } = await session.step(batchOf(config, ROWS, 0), 1e-3)
    const { inner } = await session.read()
    session.dispose()
    assert.ok(Number.isNaN(loss))
    assert.equal(inner.updates, 0)
    assert.ok(inner.m.every((value) => value === 0))
  })
})

describe('Evaluation on a GPU', () => {
  /** Its loss by programs that the CPU executes, and the rows that each of them takes. */
  async function evaluated(microBatch: number): Promise<{ loss: number; rows: number[] }> {
    const model = { config, layout: layoutOf(config) }
    const rows: number[] = []
    const programs: Partial<DevicePrograms> = {
      runtime: await loadRuntime(),
      model,
      microBatch,
      isResident: false,
      evaluation: async (count) => {
        rows.push(count)
        const graph = lowerForWebgpu(await traceEvaluation(model, count))
        return compile(graph, { provider: 'cpu', device: 0, threads: 1, onDevice: false })
      },
    }
    const session = new DeviceInference(programs as DevicePrograms, theta)
    const loss = await session.loss(batchOf(config, 5, 0))
    session.dispose()
    return { loss, rows }
  }

  it('takes a batch in micro-batches, with the loss of the whole', async () => {
    await openBackend('cpu', 1)
    const whole = await evaluated(Number.POSITIVE_INFINITY)
    const parts = await evaluated(2)
    assert.deepEqual([whole.rows, parts.rows], [[5], [2, 2, 1]])
    assert.ok(Math.abs(parts.loss / whole.loss - 1) < 1e-5)
  })
})
