// The programs of a GPU, and what feeds them. On WebGPU parameters and moments stay in its memory from run to run; on
// CUDA they pass through the host, as ONNX Runtime for Node.js can keep tensors on WebGPU only.
import type { Tensor } from 'onnxruntime-node'
import type { AdamwOptions } from '../../model/adamw.js'
import type { Graph } from '../trace/graph.js'
import { type TensorSpec, trace } from '../trace/trace.js'
import { lowerForCuda, lowerForWebgpu } from './lower-gpu.js'
import {
  type Model,
  traceEvaluation,
  traceFlatGradient,
  traceNextLogits,
  tracePull,
  traceSquares,
  traceStep,
  traceUpdate,
} from './programs.js'
import { compile, type Program, type Runtime } from './runtime.js'

export type Tensors = Readonly<Record<string, Tensor>>

/** What stays on the device, by the names of the program that makes it. */
export const STATE = ['theta', 'm', 'v'] as const
export const NEXT_STATE = ['nextTheta', 'nextM', 'nextV'] as const

/** Programs by what they were traced for: a batch of a new size is compiled once. */
export class DevicePrograms {
  readonly #known = new Map<string, Promise<Program>>()

  constructor(
    readonly runtime: Runtime,
    private readonly provider: 'webgpu' | 'cuda',
    private readonly device: number,
    readonly model: Model,
    readonly options: AdamwOptions,
    readonly microBatch: number,
  ) {}

  /** Whether outputs can stay on the device. */
  get isResident(): boolean {
    return this.provider === 'webgpu'
  }

  step(rows: number): Promise<Program> {
    return this.#get(`step ${rows}`, () => traceStep(this.model, rows, this.options), NEXT_STATE)
  }
  gradient(rows: number): Promise<Program> {
    return this.#get(`gradient ${rows}`, () => traceFlatGradient(this.model, rows), ['gradient'])
  }
  /** Draws one gradient to another. */
  pull(): Promise<Program> {
    return this.#get('pull', () => tracePull(this.model.layout.size), ['nextTheta'])
  }
  squares(): Promise<Program> {
    return this.#get('squares', () => traceSquares(this.model.layout.size))
  }
  update(): Promise<Program> {
    const { size, decayed } = this.model.layout
    return this.#get('update', () => traceUpdate(size, decayed, this.options), NEXT_STATE)
  }
  evaluation(rows: number): Promise<Program> {
    return this.#get(`evaluation ${rows}`, () => traceEvaluation(this.model, rows))
  }
  nextLogits(): Promise<Program> {
    return this.#get('next logits', () => traceNextLogits(this.model))
  }
  /** Copies the state off the device: reading a tensor that lies there would end the process. */
  readBack(): Promise<Program> {
    const { size } = this.model.layout
    return this.#get('read back', () => traceCopy(STATE.map((name) => [name, [size]])))
  }
  /** Copies parameters to the device, each a tensor of its own. */
  upload(): Promise<Program> {
    const parameters = this.model.layout.tensors.map(({ name, shape }) => [name, shape] as const)
    const copies = parameters.map(([name]) => copyOf(name))
    return this.#get('upload', () => traceCopy(parameters), copies)
  }

  #get(key: string, traceIt: () => Promise<Graph>, resident: readonly string[] = []): Promise<Program> {
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const { provider, device } = this
    const onDevice = this.isResident && resident.length > 0 ? resident : false
    const lower = provider === 'webgpu' ? lowerForWebgpu : lowerForCuda
    const made = traceIt().then((graph) => compile(lower(graph), { provider, device, threads: 1, onDevice }))
    this.#known.set(key, made)
    made.catch(() => this.#known.delete(key))
    return made
  }
}

export const copyOf = (name: string): string => `copy of ${name}`

/** Every input, unchanged, as an output. */
function traceCopy(named: readonly (readonly [string, readonly number[]])[]): Promise<Graph> {
  const inputs = named.map(([name, shape]): [string, TensorSpec] => [name, { shape, dtype: 'float32' }])
  return trace(Object.fromEntries(inputs), (tensors) => {
    return Object.fromEntries(named.map(([name]) => [copyOf(name), tensors[name]]))
  })
}

/** A [rows, T + 1] tensor of token ids. */
export function idsOf(runtime: Runtime, tokens: Int32Array, rows: number): Tensor {
  return new runtime.Tensor('int32', tokens, [rows, tokens.length / rows])
}

export function named<Value>(
  names: readonly string[],
  values: readonly Value[],
): Readonly<Record<string, Value>> {
  return Object.fromEntries(names.map((name, i) => [name, values[i]]))
}

/** Outputs that the runtime is to make. */
export function fresh(names: readonly string[]): Readonly<Record<string, null>> {
  return Object.fromEntries(names.map((name) => [name, null]))
}

export function floats(
  runtime: Runtime,
  values: Float32Array,
  shape: readonly number[] = [values.length],
): Tensor {
  return new runtime.Tensor('float32', values, [...shape])
}

export const numberOf = (tensor: Tensor): number => Number(tensor.data[0])

export const scalar = (runtime: Runtime, value: number): Tensor => floats(runtime, Float32Array.of(value), [])
