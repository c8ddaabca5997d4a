// The choice of a backend, and its explanation.
import assert from 'node:assert/strict'
import util from 'node:util'
import { UserError } from '../../src/core/user-error.js'
import { openBackend } from '../../src/engine/backends.js'

function notFound(name: string): Promise<never> {
  const error = new Error(`Cannot find package '${name}' imported from here`)
  return Promise.reject(Object.assign(error, { code: 'ERR_MODULE_NOT_FOUND' }))
}

const isUserError = (message: RegExp, remedy: RegExp) => (error: unknown) =>
  error instanceof UserError && message.test(error.message) && remedy.test(error.remedy)

describe('An engine name', () => {
  it('that is unknown is refused with the names there are', async () => {
    await assert.rejects(
      openBackend('onnx-cpu', 1),
      isUserError(/no engine onnx-cpu/, /auto, tensorflow, wasm, cpu/),
    )
  })

  it('auto takes wasm where native TensorFlow is not installed, and says so', async () => {
    const backend = await openBackend('auto', 2, notFound)
    assert.equal(backend.name, 'wasm')
    assert.match(backend.reason, /native TensorFlow is not installed; with/)
    assert.equal(backend.threads, 1)
  })

  it('auto takes wasm where native TensorFlow is installed but does not load, and gives the cause', async () => {
    const backend = await openBackend('auto', 1, () =>
      Promise.reject(new Error('libtensorflow.so.2: no such file')),
    )
    assert.equal(backend.name, 'wasm')
    assert.match(backend.reason, /libtensorflow\.so\.2: no such file/)
  })

  it('tensorflow is refused with how to install it where it is missing', async () => {
    const opening = openBackend('tensorflow', 1, notFound)
    await assert.rejects(
      opening,
      isUserError(/not installed/, /npm install .*@tensorflow\/tfjs-node@4\.22\.0/),
    )
  })

  it('tensorflow is refused where the package loads but brings no backend', async () => {
    const opening = openBackend('tensorflow', 1, () => Promise.resolve({}))
    await assert.rejects(opening, isUserError(/tensorflow does not start/, /--engine/))
  })

  it('tensorflow tries the GPU package first', async () => {
    const tried: string[] = []
    const opening = openBackend('tensorflow', 1, (name) => {
      tried.push(name)
      return notFound(name)
    })
    await assert.rejects(opening, UserError)
    assert.deepEqual(tried, ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'])
  })

  it('tensorflow finds the helper that newer Node versions lack', async () => {
    await assert.rejects(openBackend('tensorflow', 1, notFound), UserError)
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
