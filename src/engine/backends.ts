// TensorFlow.js backends, on which models run kernel by kernel: how each is loaded and made the current one.
import util from 'node:util'
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm'
import * as tf from '@tensorflow/tfjs-core'
import { registerGradients } from './gradients.js'
import { UnusableEngine } from './unusable.js'
import { refuseFailedAllocations } from './wasm/heap.js'
import { replaceSlowWasmKernels, wasmHasSimd } from './wasm/kernels.js'

export type BackendName = 'tensorflow' | 'wasm' | 'cpu'

/** The backend in use in this thread. */
export interface Backend {
  readonly name: BackendName
  /** What there is to say of it, in words. */
  readonly reason: string
  readonly threads: number
}

const gpuPackage = '@tensorflow/tfjs-node-gpu'
/** Packages that bring the native backend, the faster first. */
const nativePackages = [gpuPackage, '@tensorflow/tfjs-node']

/** Loads a package; a parameter so that tests need not install any. */
export type Load = (name: string) => Promise<unknown>
const load: Load = (name) => import(name)

/**
 * Makes a backend the current one of this thread.
 * @param threads compute threads for backends that have several
 * @param device index of the GPU that native TensorFlow is to use; null leaves it the choice
 * @throws UnusableEngine when the backend is missing or does not start
 */
export async function openBackend(
  name: BackendName,
  threads: number,
  device: number | null = null,
  loader: Load = load,
): Promise<Backend> {
  // Keeps TensorFlow.js from greeting and advising on the console.
  tf.enableProdMode()
  registerGradients()
  switch (name) {
    case 'cpu':
      return openCpu()
    case 'wasm':
      return openWasm()
    case 'tensorflow':
      return openTensorflow(threads, device, loader)
  }
}

async function openCpu(): Promise<Backend> {
  await import('@tensorflow/tfjs-backend-cpu')
  await activate('cpu')
  return { name: 'cpu', reason: 'plain JavaScript, slow, for comparison', threads: 1 }
}

async function openWasm(): Promise<Backend> {
  await import('@tensorflow/tfjs-backend-wasm')
  replaceSlowWasmKernels()
  await withoutNewProcessListeners(() => activate('wasm'))
  refuseFailedAllocations(tf.backend() as BackendWasm)
  return { name: 'wasm', reason: (await wasmHasSimd()) ? 'with SIMD' : 'without SIMD, slow', threads: 1 }
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

async function openTensorflow(threads: number, device: number | null, loader: Load): Promise<Backend> {
  // TensorFlow reads the sizes of its pools, and which GPUs it may see, from the environment when it is loaded.
  if (device !== null) process.env.CUDA_VISIBLE_DEVICES = String(device)
  process.env.TF_NUM_INTRAOP_THREADS = String(threads)
  process.env.TF_NUM_INTEROP_THREADS = '1'
  // Silences TensorFlow's greeting; its errors still show.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2'
  restoreIsNullOrUndefined()
  const found = await loadFirst(device === null ? nativePackages : [gpuPackage], loader)
  await activate('tensorflow')
  return { name: 'tensorflow', reason: found, threads }
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
  if (failures.length > 0) {
    const message = `native TensorFlow does not load (${failures.join('; ')})`
    throw new UnusableEngine('does not load', message, 'reinstall it, or use --engine auto')
  }
  throw new UnusableEngine(
    'not installed',
    'native TensorFlow is not installed',
    `run \`npm install --no-save ${packages.at(-1)}@4.22.0\` (tfjs-node-gpu needs CUDA 11.2), or use --engine auto`,
  )
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
  throw new UnusableEngine(
    'does not start',
    `the engine ${name} does not start on this machine`,
    'use another with --engine',
  )
}
