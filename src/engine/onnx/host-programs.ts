// The programs of a compiled training on the CPU, each traced and compiled when it is first needed.
import type { Tensor } from 'onnxruntime-node'
import type { Graph } from '../trace/graph.js'
import type { HostAddition } from '../trace/scatter.js'
import { lowerForCpu } from './lower-cpu.js'
import { type Model, traceEvaluation, traceGradient, traceNextLogits } from './programs.js'
import { compile, type Program, type Runtime, tensorFor } from './runtime.js'

export type Tensors = Readonly<Record<string, Tensor>>

/** A program with the graph that it was compiled from. */
export interface HostProgram extends Program {
  readonly graph: Graph
  /** Rows that the host adds to outputs after each run. */
  readonly additions: readonly HostAddition[]
}

/** Batches of a new size are compiled once. */
export class HostPrograms {
  readonly #known = new Map<string, Promise<HostProgram>>()

  constructor(
    readonly runtime: Runtime,
    readonly model: Model,
    readonly threads: number,
    /** Rows taken at once, at most. */
    readonly microBatch: number,
  ) {}

  gradient(rows: number): Promise<HostProgram> {
    return this.#get(`gradient ${rows}`, () => traceGradient(this.model, rows))
  }
  evaluation(rows: number): Promise<HostProgram> {
    return this.#get(`evaluation ${rows}`, () => traceEvaluation(this.model, rows))
  }
  nextLogits(): Promise<HostProgram> {
    return this.#get('next logits', () => traceNextLogits(this.model))
  }

  /** Tensors over the parameters that a graph takes. */
  leaves(graph: Graph, viewOfParameter: (index: number) => Float32Array): Tensors {
    const named = this.model.layout.tensors.map(({ name }, index) => {
      return [name, tensorFor(this.runtime, graph, name, viewOfParameter(index))] as const
    })
    return Object.fromEntries(named)
  }

  #get(key: string, traced: () => Promise<Graph>): Promise<HostProgram> {
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const made = traced().then((recorded) => this.#compile(recorded))
    this.#known.set(key, made)
    made.catch(() => this.#known.delete(key))
    return made
  }

  async #compile(recorded: Graph): Promise<HostProgram> {
    const { graph, additions } = lowerForCpu(recorded)
    const program = await compile(graph, {
      provider: 'cpu',
      device: 0,
      threads: this.threads,
      onDevice: false,
    })
    return { ...program, graph, additions }
  }
}
