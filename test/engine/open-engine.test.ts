// The choice of an engine, and its explanation.
import assert from 'node:assert/strict'
import { UserError } from '../../src/core/user-error.js'
import { openBackend } from '../../src/engine/backends.js'
import { eagerEngine } from '../../src/engine/eager.js'
import type { Engine } from '../../src/engine/engine.js'
import { checkDevice, engineBeside, engineNames } from '../../src/engine/names.js'
import { hostEngine } from '../../src/engine/onnx/host-engine.js'
import { type LoadEngine, type Loaders, loaders, openEngine } from '../../src/engine/open-engine.js'
import type { MakeEngine } from '../../src/engine/self-check.js'
import { UnusableEngine } from '../../src/engine/unusable.js'
import { resolveModel } from '../../src/model/config.js'
import { layoutOf } from '../../src/model/parameters.js'
import { innerSchema } from '../../src/swarmfile/schema.js'

const config = resolveModel({ preset: 'nano', context: 16 }, 64)
const options = innerSchema.parse({ batch: 4 })
const work = { config, options, batch: 4 }

const isUserError = (message: RegExp, remedy: RegExp) => (error: unknown) =>
  error instanceof UserError && message.test(error.message) && remedy.test(error.remedy)

const missing =
  (why: string): LoadEngine =>
  () =>
    Promise.reject(new UserError('engine', why, 'install it'))

/** Compiled for the CPU: much faster than `slow`. Both give their makers' name to stand for another engine. */
const fast =
  (name: string): LoadEngine =>
  async () =>
  async (model, adamw) => ({
    ...(await hostEngine({ config: model, layout: layoutOf(model) }, adamw, 1)),
    name,
  })

const slow =
  (name: string): LoadEngine =>
  async () => {
    const backend = await openBackend('cpu', 1)
    return (model, adamw) => ({ ...eagerEngine(backend, model, adamw), name, reason: '' })
  }

/** An engine that changes what another one tells of its steps. */
const distorted =
  (load: LoadEngine, distort: (loss: number) => number): LoadEngine =>
  async (choice) => {
    const make = await load(choice)
    return async (...model: Parameters<MakeEngine>): Promise<Engine> => {
      const engine = await make(...model)
      return {
        ...engine,
        train: (theta, inner) => {
          const session = engine.train(theta, inner)
          return {
            step: async (tokens, learningRate) => {
              const metrics = await session.step(tokens, learningRate)
              return { ...metrics, loss: distort(metrics.loss) }
            },
            read: () => session.read(),
            dispose: () => session.dispose(),
          }
        },
      }
    }
  }

const onMachine = (changes: Partial<Loaders>): Loaders => ({
  'onnx-cuda': missing('no CUDA here'),
  'onnx-webgpu': missing('no GPU here'),
  tensorflow: missing('no TensorFlow here'),
  'onnx-cpu': fast('onnx-cpu'),
  wasm: loaders.wasm,
  cpu: loaders.cpu,
  ...changes,
})

const open = (machine: Partial<Loaders>, engine = 'auto', device: number | null = null) =>
  openEngine({ engine, device, threads: 1 }, work, onMachine(machine))

describe('The engine auto', () => {
  it('is the compiled CPU where there is nothing faster, and names what was passed over', async () => {
    const { name, reason } = await open({})
    assert.equal(name, 'onnx-cpu')
    assert.equal(
      reason,
      'passed its self-check; passed over: onnx-cuda (no CUDA here), onnx-webgpu (no GPU here), ' +
        'tensorflow (no TensorFlow here)',
    )
  })

  it('is the fastest in a trial step where several pass their self-check', async () => {
    const first = await open({ 'onnx-cuda': fast('onnx-cuda'), 'onnx-cpu': slow('onnx-cpu') })
    assert.equal(first.name, 'onnx-cuda')
    assert.match(first.reason, /^the fastest in a trial step \(onnx-cuda [\d.]+ ms, onnx-cpu [\d.]+ ms\);/)
    const last = await open({ 'onnx-cuda': slow('onnx-cuda') })
    assert.equal(last.name, 'onnx-cpu')
  })

  it('passes over an engine that computes wrongly, and says by how much', async () => {
    const wrong = distorted(fast('onnx-webgpu'), (loss) => loss * 1.001)
    const { name, reason } = await open({ 'onnx-webgpu': wrong })
    assert.equal(name, 'onnx-cpu')
    assert.match(reason, /onnx-webgpu \(fails its self-check: loss [\d.]+ instead of [\d.]+\)/)
  })

  it('passes over an engine whose update is wrong though its first step is right', async () => {
    let steps = 0
    const wrong = distorted(fast('onnx-webgpu'), (loss) => (++steps === 2 ? loss * 1.001 : loss))
    assert.match((await open({ 'onnx-webgpu': wrong })).reason, /onnx-webgpu \(fails its self-check/)
  })

  it('passes over an engine that fails in the trial', async () => {
    const load = fast('onnx-cuda')
    const small: LoadEngine = async (choice) => {
      const make = await load(choice)
      return (model, adamw) => {
        if (model.context === config.context) throw new Error('out of memory')
        return make(model, adamw)
      }
    }
    const { name, reason } = await open({ 'onnx-cuda': small })
    assert.equal(name, 'onnx-cpu')
    assert.match(reason, /passed over: .*onnx-cuda \(out of memory\)/)
  })

  it('is wasm where nothing compiled works', async () => {
    const { name, reason } = await open({ 'onnx-cpu': missing('no binary') })
    assert.equal(name, 'wasm')
    assert.match(reason, /^works everywhere; with.* SIMD.*; passed over: .*onnx-cpu \(no binary\)$/)
  })

  it('says why in one line', async () => {
    const { reason } = await open({ 'onnx-cuda': missing('first line\nsecond line') })
    assert.doesNotMatch(reason, /\n|second/)
  })

  it('says why in few words, where asking for the engine by name gives more', async () => {
    const message = "ONNX Runtime's CUDA libraries are not installed"
    const machine = {
      'onnx-cuda': () => Promise.reject(new UnusableEngine('not installed', message, 'install them')),
    }
    assert.match((await open(machine)).reason, /passed over: onnx-cuda \(not installed\), /)
    await assert.rejects(open(machine, 'onnx-cuda'), isUserError(/^ONNX Runtime's CUDA libraries/, /install/))
  })

  it('finds an engine on this very machine', async () => {
    const { name } = await openEngine({ engine: 'auto', device: null, threads: 1 }, work)
    assert.ok(engineNames.some((known) => known === name && known !== 'auto' && known !== 'cpu'))
  })

  it('with a GPU asked for takes engines alone that can choose one, and fails where there is none', async () => {
    assert.equal((await open({ 'onnx-cuda': fast('onnx-cuda') }, 'auto', 1)).name, 'onnx-cuda')
    await assert.rejects(
      open({}, 'auto', 1),
      isUserError(
        /no engine can use GPU 1: onnx-cuda \(no CUDA here\).*onnx-cpu \(cannot be given/,
        /--device/,
      ),
    )
  })
})

describe('An engine asked for by name', () => {
  it('is opened, and says that it was asked for', async () => {
    const { name, reason, threads } = await open({}, 'onnx-cpu')
    assert.deepEqual([name, reason, threads], ['onnx-cpu', 'asked for', 1])
    assert.match((await open({}, 'wasm')).reason, /^asked for; with/)
  })

  it('that is unknown is refused with the names there are', async () => {
    const opening = open({}, 'abacus')
    await assert.rejects(
      opening,
      isUserError(/no engine abacus/, /auto, onnx-cpu, onnx-webgpu, onnx-cuda, tensorflow/),
    )
  })

  it('that is missing is refused with how to get it', async () => {
    await assert.rejects(open({}, 'onnx-cuda'), isUserError(/no CUDA here/, /install it/))
  })

  it('that computes wrongly is refused', async () => {
    const wrong = distorted(fast('onnx-cpu'), (loss) => -loss)
    await assert.rejects(
      open({ 'onnx-cpu': wrong }, 'onnx-cpu'),
      isUserError(/fails its self-check/, /--engine/),
    )
  })
})

describe('A GPU asked for', () => {
  for (const engine of ['onnx-cpu', 'onnx-webgpu', 'wasm', 'cpu'])
    it(`is refused for the engine ${engine}, which cannot choose one`, () => {
      assert.throws(
        () => checkDevice(engine, 1),
        isUserError(new RegExp(`--device 1 means nothing to ${engine}`), /onnx-cuda, tensorflow/),
      )
    })

  for (const engine of ['auto', 'onnx-cuda', 'tensorflow'])
    it(`is taken by the engine ${engine}`, () => checkDevice(engine, 1))

  it('goes with the engine that works beside the training, where that one can choose', () => {
    assert.deepEqual(engineBeside('onnx-cuda', 1), { engine: 'onnx-cuda', device: 1 })
    assert.deepEqual(engineBeside('onnx-cpu', 1), { engine: 'onnx-cpu', device: null })
  })
})

describe('The engine beside a training', () => {
  it('is not WebGPU, which one thread of a process can use', () => {
    assert.equal(engineBeside('onnx-webgpu', null).engine, 'onnx-cpu')
  })
})
