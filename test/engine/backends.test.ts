// TensorFlow.js backends: how native ones are found, and what is said where they are not.
import assert from 'node:assert/strict'
import util from 'node:util'
import { UserError } from '../../src/core/user-error.js'
import { openBackend } from '../../src/engine/backends.js'
import { UnusableEngine } from '../../src/engine/unusable.js'

function notFound(name: string): Promise<never> {
  const error = new Error(`Cannot find package '${name}' imported from here`)
  return Promise.reject(Object.assign(error, { code: 'ERR_MODULE_NOT_FOUND' }))
}

const isUserError = (message: RegExp, remedy: RegExp) => (error: unknown) =>
  error instanceof UserError && message.test(error.message) && remedy.test(error.remedy)

const isUnusable = (why: string) => (error: unknown) => error instanceof UnusableEngine && error.why === why

describe('Native TensorFlow', () => {
  const { CUDA_VISIBLE_DEVICES: before } = process.env
  afterEach(() => {
    if (before === undefined) delete process.env.CUDA_VISIBLE_DEVICES
    else process.env.CUDA_VISIBLE_DEVICES = before
  })

  it('is refused with how to install it where it is missing', async () => {
    const opening = openBackend('tensorflow', 1, null, notFound)
    await assert.rejects(
      opening,
      isUserError(/not installed/, /npm install .*@tensorflow\/tfjs-node@4\.22\.0/),
    )
  })

  it('is refused with the cause where it is installed but does not load', async () => {
    const opening = openBackend('tensorflow', 1, null, () => {
      return Promise.reject(new Error('libtensorflow.so.2: no such file'))
    })
    await assert.rejects(opening, isUserError(/libtensorflow\.so\.2: no such file/, /--engine auto/))
  })

  it('is refused where the package loads but brings no backend', async () => {
    const opening = openBackend('tensorflow', 1, null, () => Promise.resolve({}))
    await assert.rejects(opening, isUserError(/tensorflow does not start/, /--engine/))
  })

  it('is said in few words to be missing, not to load, or not to start', async () => {
    const broken = () => Promise.reject(new Error('libtensorflow.so.2: no such file'))
    await assert.rejects(openBackend('tensorflow', 1, null, notFound), isUnusable('not installed'))
    await assert.rejects(openBackend('tensorflow', 1, null, broken), isUnusable('does not load'))
    const empty = () => Promise.resolve({})
    await assert.rejects(openBackend('tensorflow', 1, null, empty), isUnusable('does not start'))
  })

  const triedWith = async (device: number | null): Promise<string[]> => {
    const tried: string[] = []
    const opening = openBackend('tensorflow', 1, device, (name) => {
      tried.push(name)
      return notFound(name)
    })
    await assert.rejects(opening, UserError)
    return tried
  }

  it('is looked for in the GPU package first', async () => {
    assert.deepEqual(await triedWith(null), ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'])
  })

  it('is looked for in the GPU package alone, and sees one GPU alone, where that GPU is asked for', async () => {
    assert.deepEqual(await triedWith(1), ['@tensorflow/tfjs-node-gpu'])
    assert.equal(process.env.CUDA_VISIBLE_DEVICES, '1')
  })

  it('finds the helper that newer Node versions lack', async () => {
    await assert.rejects(openBackend('tensorflow', 1, null, notFound), UserError)
    const { isNullOrUndefined } = util as unknown as { isNullOrUndefined(value: unknown): boolean }
    assert.deepEqual([null, undefined, 0, ''].map(isNullOrUndefined), [true, true, false, false])
  })
})

describe('The wasm backend', () => {
  it('leaves the handling of uncaught errors to the process', async () => {
    await openBackend('wasm', 1)
    for (const listener of process.listeners('uncaughtException'))
      assert.doesNotMatch(`${listener}`, /ExitStatus/)
  })
})
