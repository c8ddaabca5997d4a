// Chooses the TensorFlow.js backend that computes: the native one where it is installed and works, else wasm.
import util from 'node:util'
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm'
import * as tf from '@tensorflow/tfjs-core'
import { UserError } from '../core/user-error.js'
import { registerGradients } from './gradients.js'
import { parseEngineName } from './names.js'
import { selfCheck } from './self-check.js'
import { refuseFailedAllocations } from './wasm/heap.js'
import { replaceSlowWasmKernels, wasmHasSimd } from './wasm/kernels.js'

/** The backend in use in this thread. */
export interface Backend {
  readonly name: string
  /** Why this one, in words. */
  readonly reason: string
  readonly threads: number
}

/** Packages that bring the native backend, the faster first. */
const nativePackages = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node']

/** Loads a package; a parameter so that tests need not install any. */
export type Load = (name: string) => Promise<unknown>
const load: Load = (name) => import(name)

/**
 * Makes a backend the current one of this thread.
 * @param name one of engineNames
 * @param threads compute threads for backends that have several
 * @throws UserError when the name is unknown, or the engine asked for is missing or computes wrongly
 */
export async function openBackend(name: string, threads: number, loader: Load = load): Promise<Backend> {
  // Keeps TensorFlow.js from greeting and advising on the console.
  tf.enableProdMode()
  registerGradients()
  switch (parseEngineName(name)) {
    case 'cpu':
      return openCpu()
    case 'wasm':
      return openWasm('asked for')
    case 'tensorflow':
      return openTensorflow(threads, 'asked for', loader)
    case 'auto':
      return openBest(threads, loader)
  }
}

async function openBest(threads: number, loader: Load): Promise<Backend> {
  try {
    return await openTensorflow(threads, 'native TensorFlow is installed and passed its self-check', loader)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return openWasm(error.message)
  }
}

async function openCpu(): Promise<Backend> {
  await import('@tensorflow/tfjs-backend-cpu')
  await activate('cpu')
  return { name: 'cpu', reason: 'asked for; plain JavaScript, slow, for comparison', threads: 1 }
}

async function openWasm(reason: string): Promise<Backend> {
  await import('@tensorflow/tfjs-backend-wasm')
  replaceSlowWasmKernels()
  await withoutNewProcessListeners(() => activate('wasm'))
  refuseFailedAllocations(tf.backend() as BackendWasm)
  const simd = (await wasmHasSimd()) ? 'with SIMD' : 'without SIMD, slow'
  return { name: 'wasm', reason: `${reason}; ${simd}`, threads: 1 }
}

/** The wasm module rethrows every uncaught error of the process, which prints its own minified source. */
async function withoutNewProcessListeners(work: () => Promise<void>): Promise<void> {
  const events = ['uncaughtException', 'unhandledRejection'] as const
  const before = events.map((event) => process.listeners(event as 'uncaughtException'))
  await work()
  for (const [i, event] of events.entries()) {
    for (const listener of process.listeners(event as 'uncaughtException')) {
      if (!before[i].includes(listener)) process.removeListener(event, listener)
    }
  }
}

async function openTensorflow(threads: number, reason: string, loader: Load): Promise<Backend> {
  // TensorFlow reads the sizes of its pools from the environment when it is loaded.
  process.env.TF_NUM_INTRAOP_THREADS = String(threads)
  process.env.TF_NUM_INTEROP_THREADS = '1'
  // Silences TensorFlow's greeting; its errors still show.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2'
  restoreIsNullOrUndefined()
  const found = await loadFirst(nativePackages, loader)
  await activate('tensorflow')
  await selfCheck('tensorflow')
  return { name: 'tensorflow', reason: `${reason} (${found})`, threads }
}

async function loadFirst(packages: readonly string[], loader: Load): Promise<string> {
  const failures: string[] = []
  for (const name of packages) {
    try {
      await loader(name)
      return name
    } catch (error) {
      if (!isMissing(error, name)) failures.push(`${name}: ${(error as Error).message.split('\n')[0]}`)
    }
  }
  const [message, remedy] =
    failures.length > 0
      ? [`native TensorFlow does not load (${failures.join('; ')})`, 'reinstall it, or use --engine wasm']
      : [
          'native TensorFlow is not installed',
          'run `npm install --no-save @tensorflow/tfjs-node@4.22.0` (or tfjs-node-gpu, with CUDA 11.2), or use --engine wasm',
        ]
  throw new UserError('engine', message, remedy)
}

function isMissing(error: unknown, name: string): boolean {
  const { code, message } = error as NodeJS.ErrnoException
  return code === 'ERR_MODULE_NOT_FOUND' && message.includes(`'${name}'`)
}

/** tfjs-node 4.22 calls this function, which Node 23 took away. */
function restoreIsNullOrUndefined(): void {
  const target = util as { isNullOrUndefined?: (value: unknown) => boolean }
  target.isNullOrUndefined ??= (value) => value === null || value === undefined
}

async function activate(name: string): Promise<void> {
  const works = tf.findBackendFactory(name) != null && (await tf.setBackend(name))
  if (works) return
  throw new UserError(
    'engine',
    `the engine ${name} does not start on this machine`,
    'use another with --engine',
  )
}
