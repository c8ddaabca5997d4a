// ONNX Runtime: how it is loaded, and how a graph becomes something to run.
import type { InferenceSession, Tensor } from 'onnxruntime-node'
import { type Graph, sizeOf } from '../trace/graph.js'
import { UnusableEngine } from '../unusable.js'
import { modelFile } from './model-file.js'

export type Provider = 'cpu' | 'webgpu' | 'cuda'
export type Runtime = typeof import('onnxruntime-node')

/** How a program is compiled. */
export interface CompileOptions {
  readonly provider: Provider
  /** Which of several GPUs, for CUDA; WebGPU takes the one that the system prefers. */
  readonly device: number
  readonly threads: number
  /** Outputs that stay where the provider computed them: those named, or none. WebGPU only. */
  readonly onDevice: readonly string[] | false
}

let loaded: Promise<Runtime> | null = null

/** @throws UnusableEngine where the package has no binary for this platform */
export function loadRuntime(): Promise<Runtime> {
  loaded ??= import('onnxruntime-node').then(
    (module) => {
      // Warnings are about graphs, which are ours to get right; errors come as exceptions.
      module.env.logLevel = 'fatal'
      return module
    },
    (error: Error) => {
      const cause = error.message.split('\n')[0]
      const why = 'ONNX Runtime does not load'
      throw new UnusableEngine(why, `${why}: ${cause}`, 'use --engine wasm')
    },
  )
  return loaded
}

/** A compiled graph. */
export interface Program {
  /**
   * @param feeds every input by name
   * @param fetches outputs by name: a tensor to write to, or null for one that the runtime makes
   */
  run(
    feeds: Readonly<Record<string, Tensor>>,
    fetches: Readonly<Record<string, Tensor | null>>,
  ): Promise<Readonly<Record<string, Tensor>>>
  dispose(): Promise<void>
}

export async function compile(graph: Graph, options: CompileOptions): Promise<Program> {
  const runtime = await loadRuntime()
  const session = await runtime.InferenceSession.create(modelFile(graph), sessionOptions(options))
  return {
    run: async (feeds, fetches) => (await session.run(feeds, fetches)) as Readonly<Record<string, Tensor>>,
    dispose: () => session.release(),
  }
}

function sessionOptions(options: CompileOptions): InferenceSession.SessionOptions {
  const { provider, device, threads, onDevice } = options
  return {
    executionProviders: [executionProvider(provider, device)],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    // Its optimisations are for inference: they change nothing on these graphs, and could undo what is meant.
    graphOptimizationLevel: 'disabled',
    // Planned memory is held beside that of the first run, at twice the size and no speed gained.
    enableMemPattern: false,
    logSeverityLevel: 4,
    extra: {
      session: {
        // Every program has threads of its own: those of one must not spin while another computes.
        force_spinning_stop: '1',
        // An operator that WebGPU lacks is an error, and not one that silently runs on the CPU.
        ...(provider === 'webgpu' && { disable_cpu_ep_fallback: '1' }),
      },
    },
    ...(onDevice && {
      preferredOutputLocation: Object.fromEntries(onDevice.map((name) => [name, 'gpu-buffer' as const])),
    }),
  }
}

function executionProvider(provider: Provider, deviceId: number): InferenceSession.ExecutionProviderConfig {
  return provider === 'cuda' ? { name: provider, deviceId } : { name: provider }
}

/** A tensor for a graph's input or output, over `data` where given. */
export function tensorFor(
  runtime: Runtime,
  graph: Graph,
  name: string,
  data?: Float32Array | Int32Array,
): Tensor {
  const value = [...graph.inputs, ...graph.outputs].find((named) => named.name === name)?.value
  if (value === undefined) throw new Error(`the graph has no ${name}`)
  const shape = [...value.shape]
  if (value.type === 'int32') {
    return new runtime.Tensor('int32', (data as Int32Array) ?? new Int32Array(sizeOf(shape)), shape)
  }
  return new runtime.Tensor('float32', (data as Float32Array) ?? new Float32Array(sizeOf(shape)), shape)
}
