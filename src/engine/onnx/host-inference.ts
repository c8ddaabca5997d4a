// Compiled evaluation and generation on the CPU.
import { viewOf } from '../../tensor/layout.js'
import type { InferenceSession } from '../engine.js'
import { meanOverParts } from '../micro-batches.js'
import type { Graph } from '../trace/graph.js'
import type { HostPrograms, Tensors } from './host-programs.js'
import { tensorFor } from './runtime.js'

export class HostInference implements InferenceSession {
  readonly #theta: Float32Array

  constructor(
    private readonly programs: HostPrograms,
    theta: Float32Array,
  ) {
    // The runtime refuses shared memory.
    this.#theta = Float32Array.from(theta)
  }

  loss(tokens: Int32Array): Promise<number> {
    const { runtime, model, microBatch } = this.programs
    return meanOverParts(tokens, model.config.context + 1, microBatch, async (part, rows) => {
      const program = await this.programs.evaluation(rows)
      const ids = tensorFor(runtime, program.graph, 'tokens', part)
      const { loss } = await program.run({ ...this.#leaves(program.graph), tokens: ids }, { loss: null })
      return loss.data[0] as number
    })
  }

  async nextLogits(tokens: readonly number[]): Promise<Float32Array> {
    const { runtime, model } = this.programs
    const program = await this.programs.nextLogits()
    const { graph } = program
    const padded = Int32Array.from({ length: model.config.context }, (_, i) => tokens[i] ?? 0)
    const feeds = {
      ...this.#leaves(graph),
      tokens: tensorFor(runtime, graph, 'tokens', padded),
      last: tensorFor(runtime, graph, 'last', Int32Array.of(tokens.length - 1)),
    }
    const { logits } = await program.run(feeds, { logits: null })
    return Float32Array.from(logits.data as Float32Array)
  }

  // The parameters are the garbage collector's.
  dispose(): void {}

  #leaves(graph: Graph): Tensors {
    const { tensors } = this.programs.model.layout
    return this.programs.leaves(graph, (index) => viewOf(this.#theta, tensors[index]))
  }
}
