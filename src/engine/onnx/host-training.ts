// Compiled training steps on the CPU. Parameters, moments and gradient are flat buffers of this process: programs read
// and write them through views, kernels update them in place, and a step copies none of them.
import { type AdamwOptions, biasCorrections } from '../../model/adamw.js'
import type { InnerState } from '../../ports/trainer.js'
import { isFiniteStep, type StepMetrics, type TrainingSession } from '../engine.js'
import { microBatches, runningMean, tokensOf } from '../micro-batches.js'
import type { Graph } from '../trace/graph.js'
import type { HostAddition } from '../trace/scatter.js'
import type { FlatBuffers } from './flat-buffers.js'
import type { HostPrograms, Tensors } from './host-programs.js'
import { gradientName } from './programs.js'
import { tensorFor } from './runtime.js'

/** Which buffer holds what; the last, the gradient of one micro-batch of several, is there where there are several. */
const THETA = 0
const M = 1
const V = 2
const GRADIENT = 3
const PARTIAL = 4

/** Buffers that a training needs. */
export const buffersFor = (microBatch: number): number => (Number.isFinite(microBatch) ? 5 : 4)

export class HostTraining implements TrainingSession {
  readonly #fetches = new Map<Graph, Tensors[]>()
  #updates: number
  /** Buffers are given back once: another session may have them by then. */
  #isOver = false

  /** @param giveBack takes the buffers when the session ends */
  constructor(
    private readonly programs: HostPrograms,
    private readonly options: AdamwOptions,
    private readonly buffers: FlatBuffers,
    private readonly giveBack: (buffers: FlatBuffers) => void,
    theta: Float32Array,
    inner: InnerState,
  ) {
    buffers.write(THETA, theta)
    buffers.write(M, inner.m)
    buffers.write(V, inner.v)
    this.#updates = inner.updates
  }

  async step(tokens: Int32Array, learningRate: number): Promise<StepMetrics> {
    const loss = await this.#differentiate(tokens)
    const norm = this.#norm()
    const metrics = { loss, norm }
    if (isFiniteStep(metrics)) this.#update(norm, learningRate)
    return metrics
  }

  /** The loss; its gradient is left in GRADIENT. */
  async #differentiate(tokens: Int32Array): Promise<number> {
    const { model, microBatch } = this.programs
    const { kernels, length } = this.buffers
    const rowLength = model.config.context + 1
    let mean = 0
    for (const part of microBatches(tokens.length / rowLength, microBatch)) {
      const into = part.first === 0 ? GRADIENT : PARTIAL
      const loss = await this.#differentiatePart(tokensOf(tokens, part, rowLength), part.rows, into)
      mean = runningMean(mean, loss, part)
      // GRADIENT is a running mean too: each micro-batch draws it to its own gradient by its weight.
      if (into === PARTIAL) {
        kernels.draw(this.buffers.pointer(GRADIENT), this.buffers.pointer(PARTIAL), length, part.weight)
      }
    }
    return mean
  }

  /** The loss of one micro-batch; its gradient is left in a buffer. */
  async #differentiatePart(tokens: Int32Array, rows: number, into: number): Promise<number> {
    const { runtime, model } = this.programs
    const program = await this.programs.gradient(rows)
    const leaves = this.programs.leaves(program.graph, (index) => {
      return this.buffers.view(THETA, model.layout.tensors[index])
    })
    const outputs = this.#outputs(program.graph, into)
    await program.run({ ...leaves, tokens: tensorFor(runtime, program.graph, 'tokens', tokens) }, outputs)
    for (const addition of program.additions) addRows(addition, outputs)
    return outputs.loss.data[0] as number
  }

  /** Tensors for the gradient program's outputs: views of a buffer for the gradient's parts. */
  #outputs(graph: Graph, buffer: number): Tensors {
    const known = this.#fetches.get(graph) ?? []
    this.#fetches.set(graph, known)
    known[buffer] ??= this.#makeOutputs(graph, buffer)
    return known[buffer]
  }

  #makeOutputs(graph: Graph, buffer: number): Tensors {
    const { runtime, model } = this.programs
    const views = new Map(
      model.layout.tensors.map((tensor) => [gradientName(tensor.name), this.buffers.view(buffer, tensor)]),
    )
    const named = graph.outputs.map(
      ({ name }) => [name, tensorFor(runtime, graph, name, views.get(name))] as const,
    )
    return Object.fromEntries(named)
  }

  #norm(): number {
    return Math.sqrt(this.buffers.kernels.squares(this.buffers.pointer(GRADIENT), this.buffers.length))
  }

  #update(norm: number, learningRate: number): void {
    const { beta1, beta2, epsilon, clip, weightDecay } = this.options
    this.#updates += 1
    const [correction1, correction2] = biasCorrections(this.options, this.#updates)
    const clipped = norm > clip ? clip / norm : 1
    const scale2 = 1 / correction2
    const rate = learningRate / correction1
    const { kernels, decayed, length } = this.buffers
    const adamw = (first: number, count: number, decay: number) => {
      const [theta, m, v, gradient] = [THETA, M, V, GRADIENT].map(
        (buffer) => this.buffers.pointer(buffer) + first * Float32Array.BYTES_PER_ELEMENT,
      )
      const shrink = 1 - learningRate * decay
      kernels.adamw(theta, m, v, gradient, count, clipped, beta1, beta2, scale2, epsilon, rate, shrink)
    }
    adamw(0, decayed, weightDecay)
    adamw(decayed, length - decayed, 0)
  }

  async read(): Promise<{ theta: Float32Array; inner: InnerState }> {
    const inner = { m: this.buffers.read(M), v: this.buffers.read(V), updates: this.#updates }
    return { theta: this.buffers.read(THETA), inner }
  }

  dispose(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.giveBack(this.buffers)
  }
}

/** Row n is added to the row of index ids[n]. */
function addRows({ to, ids, rows }: HostAddition, outputs: Tensors): void {
  const target = outputs[to].data as Float32Array
  const indices = outputs[ids].data as Int32Array
  const values = outputs[rows].data as Float32Array
  const width = values.length / indices.length
  for (let n = 0; n < indices.length; n++) {
    const into = indices[n] * width
    const from = n * width
    for (let i = 0; i < width; i++) target[into + i] += values[from + i]
  }
}
