// Training on a GPU. A step is one program, or several where its batch is taken in parts.
import type { Tensor } from 'onnxruntime-node'
import { biasCorrections } from '../../model/adamw.js'
import type { InnerState } from '../../ports/trainer.js'
import { isFiniteStep, type StepMetrics, type TrainingSession } from '../engine.js'
import { microBatches, runningMean, tokensOf } from '../micro-batches.js'
import {
  copyOf,
  type DevicePrograms,
  floats,
  fresh,
  idsOf,
  NEXT_STATE,
  named,
  numberOf,
  STATE,
  scalar,
  type Tensors,
} from './device-programs.js'
import type { Program } from './runtime.js'

export class DeviceTraining implements TrainingSession {
  /** theta, m and v, flat: on the host before the first step, on the device after it. */
  #state: readonly Tensor[]
  #updates: number

  constructor(
    private readonly programs: DevicePrograms,
    theta: Float32Array,
    inner: InnerState,
  ) {
    const { runtime } = programs
    // The runtime refuses shared memory, and the caller's buffers are the caller's: these are copies.
    this.#state = [theta, inner.m, inner.v].map((values) => floats(runtime, Float32Array.from(values)))
    this.#updates = inner.updates
  }

  step(tokens: Int32Array, learningRate: number): Promise<StepMetrics> {
    const { model, microBatch } = this.programs
    const rows = tokens.length / (model.config.context + 1)
    return rows <= microBatch
      ? this.#whole(tokens, rows, learningRate)
      : this.#inParts(tokens, rows, learningRate)
  }

  /** One program, which leaves the state as it is where loss or gradient is not finite. */
  async #whole(tokens: Int32Array, rows: number, learningRate: number): Promise<StepMetrics> {
    const program = await this.programs.step(rows)
    const feeds = { ...this.#stateAnd(learningRate), tokens: idsOf(this.programs.runtime, tokens, rows) }
    const { loss, norm } = await this.#advance(program, feeds, ['loss', 'norm'])
    const metrics = { loss: numberOf(loss), norm: numberOf(norm) }
    if (isFiniteStep(metrics)) this.#updates += 1
    return metrics
  }

  /** The gradient is a running mean over micro-batches: each draws it to its own by its weight. */
  async #inParts(tokens: Int32Array, rows: number, learningRate: number): Promise<StepMetrics> {
    const { model, microBatch, runtime } = this.programs
    const [theta] = this.#state
    let gradient: Tensor | null = null
    let mean = 0
    for (const part of microBatches(rows, microBatch)) {
      const program = await this.programs.gradient(part.rows)
      const ids = idsOf(runtime, tokensOf(tokens, part, model.config.context + 1), part.rows)
      const own = await program.run({ theta, tokens: ids }, { loss: null, gradient: null })
      mean = runningMean(mean, numberOf(own.loss), part)
      if (gradient === null) {
        gradient = own.gradient
        continue
      }
      const feeds: Tensors = { theta: gradient, anchor: own.gradient, strength: scalar(runtime, part.weight) }
      const { nextTheta } = await (await this.programs.pull()).run(feeds, { nextTheta: null })
      for (const tensor of [gradient, own.gradient]) tensor.dispose()
      gradient = nextTheta
    }
    const metrics = await this.#update(mean, gradient!, learningRate)
    gradient!.dispose()
    return metrics
  }

  async #update(loss: number, gradient: Tensor, learningRate: number): Promise<StepMetrics> {
    const { squares } = await (await this.programs.squares()).run({ gradient }, { squares: null })
    const metrics = { loss, norm: Math.sqrt(numberOf(squares)) }
    if (!isFiniteStep(metrics)) return metrics
    const norm = scalar(this.programs.runtime, metrics.norm)
    await this.#advance(await this.programs.update(), { ...this.#stateAnd(learningRate), gradient, norm }, [])
    this.#updates += 1
    return metrics
  }

  #stateAnd(learningRate: number): Tensors {
    const { runtime, options } = this.programs
    const [correction1, correction2] = biasCorrections(options, this.#updates + 1)
    return {
      ...named(STATE, this.#state),
      learningRate: scalar(runtime, learningRate),
      correction1: scalar(runtime, correction1),
      correction2: scalar(runtime, correction2),
    }
  }

  /** Runs a program that makes the next state; gives its other outputs. */
  async #advance(program: Program, feeds: Tensors, others: readonly string[]): Promise<Tensors> {
    const { isResident } = this.programs
    // On the host the next state takes the place of this one: the inputs were copied to the device before.
    const next = isResident ? fresh(NEXT_STATE) : named(NEXT_STATE, this.#state)
    const outputs = await program.run(feeds, { ...next, ...fresh(others) })
    if (isResident) this.#replace(NEXT_STATE.map((name) => outputs[name]))
    return outputs
  }

  async read(): Promise<{ theta: Float32Array; inner: InnerState }> {
    const program = await this.programs.readBack()
    const outputs = await program.run(named(STATE, this.#state), fresh(STATE.map(copyOf)))
    const [theta, m, v] = STATE.map((name) => outputs[copyOf(name)].data as Float32Array)
    return { theta, inner: { m, v, updates: this.#updates } }
  }

  dispose(): void {
    this.#replace([])
  }

  #replace(state: readonly Tensor[]): void {
    for (const tensor of this.#state) tensor.dispose()
    this.#state = state
  }
}
