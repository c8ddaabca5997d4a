// Evaluation and generation on a GPU: the parameters are copied there once, each a tensor of its own.
import { viewOf } from '../../tensor/layout.js'
import type { InferenceSession } from '../engine.js'
import { meanOverParts } from '../micro-batches.js'
import {
  copyOf,
  type DevicePrograms,
  floats,
  fresh,
  idsOf,
  named,
  numberOf,
  type Tensors,
} from './device-programs.js'

export class DeviceInference implements InferenceSession {
  readonly #leaves: Promise<Tensors>

  constructor(
    private readonly programs: DevicePrograms,
    theta: Float32Array,
  ) {
    this.#leaves = this.#upload(theta)
    // Whoever uses them learns of a failure.
    this.#leaves.catch(() => {})
  }

  loss(tokens: Int32Array): Promise<number> {
    const { runtime, model, microBatch } = this.programs
    return meanOverParts(tokens, model.config.context + 1, microBatch, async (part, rows) => {
      const program = await this.programs.evaluation(rows)
      const feeds = { ...(await this.#leaves), tokens: idsOf(runtime, part, rows) }
      const { loss } = await program.run(feeds, { loss: null })
      return numberOf(loss)
    })
  }

  async nextLogits(tokens: readonly number[]): Promise<Float32Array> {
    const { runtime, model } = this.programs
    const { context } = model.config
    const program = await this.programs.nextLogits()
    const padded = Int32Array.from({ length: context }, (_, i) => tokens[i] ?? 0)
    const feeds = {
      ...(await this.#leaves),
      tokens: new runtime.Tensor('int32', padded, [context, 1]),
      last: new runtime.Tensor('int32', Int32Array.of(tokens.length - 1), [1]),
    }
    const { logits } = await program.run(feeds, { logits: null })
    return logits.data as Float32Array
  }

  dispose(): void {
    const free = (leaves: Tensors) => {
      for (const tensor of Object.values(leaves)) tensor.dispose()
    }
    this.#leaves.then(free, () => {})
  }

  async #upload(theta: Float32Array): Promise<Tensors> {
    const { runtime, model, isResident } = this.programs
    const { tensors } = model.layout
    const values = Float32Array.from(theta)
    const leaves = tensors.map((tensor) => floats(runtime, viewOf(values, tensor), tensor.shape))
    const names = tensors.map(({ name }) => name)
    if (!isResident) return named(names, leaves)
    const program = await this.programs.upload()
    const outputs = await program.run(named(names, leaves), fresh(names.map(copyOf)))
    return Object.fromEntries(names.map((name) => [name, outputs[copyOf(name)]]))
  }
}
