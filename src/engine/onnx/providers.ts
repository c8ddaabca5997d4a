// ONNX Runtime's providers for GPUs: whether they work here, and how to get one that does not.
import { existsSync, readdirSync } from 'node:fs'
import * as tf from '@tensorflow/tfjs-core'
import { trace } from '../trace/trace.js'
import { UnusableEngine } from '../unusable.js'
import { compile, loadRuntime, type Provider } from './runtime.js'

type GpuProvider = Exclude<Provider, 'cpu'>

/** How a provider is got. It is compiled for some platforms only. */
const remedies: Readonly<Record<GpuProvider, string>> = {
  cuda:
    'on Linux with an NVIDIA GPU, CUDA 12 and cuDNN 9 run ' +
    '`ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install.js`; or use --engine auto',
  webgpu: 'install a driver for the GPU (on Linux with Vulkan and libvulkan1), or use --engine auto',
}

/** @throws UnusableEngine where the provider is missing, or finds no GPU with this index */
export async function requireProvider(provider: GpuProvider, device: number): Promise<void> {
  const { listSupportedBackends } = await loadRuntime()
  if (!listSupportedBackends().some(({ name }) => name === provider)) {
    const platform = `${process.platform} on ${process.arch}`
    const message = `ONNX Runtime has no ${provider} for ${platform}`
    throw new UnusableEngine(`not made for ${platform}`, message, remedies[provider])
  }
  try {
    await multiplicationTime(provider, device, 1)
  } catch (error) {
    const { why, message } = plainly(error as Error)
    throw new UnusableEngine(why, message, remedies[provider])
  }
}

/** Rows and columns of the matrices that are multiplied to try a provider. */
const ROWS = 384

/** Operations per second below which a GPU is one that the CPU emulates, or not worth its trouble. */
const SLOWEST_GPU = 10e9

/**
 * Refuses WebGPU where it is emulated on the CPU: it cannot be asked, but one product of matrices tells.
 * @throws UnusableEngine with the speed
 */
export async function refuseEmulation(): Promise<void> {
  const seconds = (await multiplicationTime('webgpu', 0, 5)) / 1000
  const speed = (2 * ROWS ** 3) / seconds
  if (speed >= SLOWEST_GPU) return
  const why = `emulated or very slow: ${(speed / 1e9).toPrecision(2)} GFLOP/s`
  throw new UnusableEngine(why, `WebGPU is ${why}`, remedies.webgpu)
}

/** Milliseconds of the fastest of some runs. */
async function multiplicationTime(provider: GpuProvider, device: number, runs: number): Promise<number> {
  const graph = await trace({ x: { shape: [], dtype: 'float32' } }, ({ x }) => {
    const matrix = tf.mul(x, tf.ones([ROWS, ROWS])) as tf.Tensor2D
    return { sum: tf.sum(tf.matMul(matrix, tf.ones([ROWS, ROWS]))) }
  })
  const program = await compile(graph, { provider, device, threads: 1, onDevice: false })
  const { Tensor } = await loadRuntime()
  const x = new Tensor('float32', Float32Array.of(1), [])
  try {
    let fastest = Number.POSITIVE_INFINITY
    for (let run = 0; run < runs; run++) {
      const start = performance.now()
      await program.run({ x }, { sum: null })
      fastest = Math.min(fastest, performance.now() - start)
    }
    return fastest
  } finally {
    await program.dispose()
  }
}

/** ONNX Runtime's words start with the place in its source, and go on for long. */
function plainly({ message }: Error): Pick<UnusableEngine, 'why' | 'message'> {
  if (/Failed to load (shared )?library/.test(message)) {
    return { why: 'not installed', message: "ONNX Runtime's CUDA libraries are not installed" }
  }
  if (/Failed to get a WebGPU adapter/.test(message)) {
    return { why: 'finds no GPU', message: 'WebGPU finds no GPU' }
  }
  return { why: 'does not start', message: message.split('\n')[0].slice(0, 200) }
}

/**
 * Whether the system shows a GPU. Where it shows none, WebGPU could only be emulated on the CPU, and looking for it
 * would have the graphics library complain on the console.
 */
export function isGpuInSight(): boolean {
  if (process.platform !== 'linux') return true
  if (['/dev/nvidia0', '/dev/dxg'].some((device) => existsSync(device))) return true
  return existsSync('/dev/dri') && readdirSync('/dev/dri').some((name) => name.startsWith('renderD'))
}
