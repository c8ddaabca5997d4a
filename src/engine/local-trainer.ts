// Trains, evaluates and generates on an engine in the current thread.
import { UserError } from '../core/user-error.js'
import type { ModelConfig } from '../model/config.js'
import { initialParameters, layoutOf } from '../model/parameters.js'
import { randomStream } from '../model/random.js'
import { batchOf, heldOutBatches } from '../outer/batches.js'
import { learningRateAt } from '../outer/learning-rate.js'
import {
  type Evaluation,
  type InnerState,
  type Round,
  RoundAborted,
  type RoundResult,
  type StepReport,
  type TrainerSetup,
} from '../ports/trainer.js'
import { subtract } from '../tensor/vector.js'
import type { Generation } from './calls.js'
import { type Engine, type InferenceSession, isFiniteStep, type TrainingSession } from './engine.js'
import type { EngineInUse } from './engine-in-use.js'
import { Pace } from './pace.js'
import { sample } from './sampling.js'

/** How a round is watched and stopped. */
export interface RoundControl {
  isAborted(): boolean
  /** Blocks this thread; returns early when the round is aborted. */
  sleep(ms: number): void
  onStep(report: StepReport): void
}

/**
 * Timed steps of a rehearsal, after one that only warms up; the fastest counts: what slows a step down here is
 * that this peer and its neighbours are just starting.
 */
const REHEARSED_STEPS = 5

export class LocalTrainer {
  readonly #size: number
  readonly #pace: Pace
  #inner: InnerState
  /** The inner state before the last round that finished. */
  #before: InnerState

  constructor(
    private readonly engine: EngineInUse,
    private readonly model: ModelConfig,
    private readonly setup: TrainerSetup,
    /** Whether what has no control of its own is to end: rehearsal, evaluation, generation. */
    private readonly isClosing: () => boolean = () => false,
  ) {
    this.#size = layoutOf(model).size
    this.#pace = new Pace(setup.slowdown)
    this.#inner = { m: new Float32Array(this.#size), v: new Float32Array(this.#size), updates: 0 }
    this.#before = this.#inner
  }

  /** AdamW's state between rounds. It is replaced, never changed in place. */
  get inner(): InnerState {
    return this.#inner
  }

  restore(inner: InnerState): void {
    this.#checkSize(inner.m, 'first moment')
    this.#checkSize(inner.v, 'second moment')
    this.#inner = inner
  }

  /** Takes the last finished round back, as if it had been aborted. */
  undo(): void {
    this.#inner = this.#before
  }

  initial(): Float32Array {
    return initialParameters(this.model, this.setup.seed)
  }

  /** Steps per second; emulated slowdown is reckoned in, not slept. */
  async rehearse(theta: Float32Array): Promise<number> {
    return this.#session('the rehearsal', theta, async (session) => {
      const tokens = this.#batch(0, 0)
      const times: number[] = []
      for (let step = 0; step <= REHEARSED_STEPS; step++) {
        this.#refuseWhenClosing()
        const start = performance.now()
        await session.step(tokens, 0)
        times.push(performance.now() - start)
      }
      const fastest = Math.min(...times)
      return 1000 / (fastest * this.setup.slowdown)
    })
  }

  /**
   * Takes the round's local steps. On any error the inner state stays as it was.
   * @throws RoundAborted within a step of the abort
   * @throws UserError naming the step whose loss or gradient is not finite
   */
  async train(round: Round, control: RoundControl): Promise<RoundResult> {
    const result = await this.#session('the round', round.theta, async (session) => {
      let trainMs = 0
      let emulatedMs = 0
      let lossSum = 0
      this.#pace.begin(performance.now())
      for (let step = 1; step <= round.steps; step++) {
        if (control.isAborted()) throw new RoundAborted(`aborted before step ${step} of ${round.steps}`)
        const start = performance.now()
        const { loss, learningRate } = await this.#step(session, round, step)
        const ownMs = performance.now() - start
        const sleepMs = this.#pace.sleepMs(ownMs, performance.now())
        if (sleepMs > 0) control.sleep(sleepMs)
        const ms = performance.now() - start
        trainMs += ms
        emulatedMs += ms - ownMs
        lossSum += loss
        control.onStep({ step, loss, learningRate, ms })
      }
      if (control.isAborted()) throw new RoundAborted('aborted after the last step')
      const { theta, inner } = await session.read()
      const gradient = subtract(round.theta, theta)
      return { gradient, inner, meanLoss: lossSum / round.steps, steps: round.steps, trainMs, emulatedMs }
    })
    this.#before = this.#inner
    this.#inner = result.inner
    return result
  }

  /** Mean over the held-out batches, weighted by their tokens. */
  async evaluate(theta: Float32Array, batches: number): Promise<Evaluation> {
    this.#checkSize(theta, 'theta')
    const { context } = this.model
    const held = heldOutBatches(this.setup.tokens.heldOut, this.setup.inner.batch, context, batches)
    return this.#inference('the evaluation', theta, async (session) => {
      let sum = 0
      let tokens = 0
      for (const batch of held) {
        this.#refuseWhenClosing()
        const predicted = (batch.length / (context + 1)) * context
        sum += (await session.loss(batch)) * predicted
        tokens += predicted
      }
      return { loss: sum / tokens, tokens }
    })
  }

  /** Continues the prompt token by token; the model sees the last T tokens. */
  async generate({ theta, prompt, length, temperature, seed }: Generation): Promise<number[]> {
    this.#checkSize(theta, 'theta')
    this.#checkPrompt(prompt)
    return this.#inference('the text', theta, async (session) => {
      const uniform = randomStream(seed)
      const text = [...prompt]
      while (text.length < prompt.length + length) {
        this.#refuseWhenClosing()
        const logits = await session.nextLogits(text.slice(-this.model.context))
        text.push(sample(logits, temperature, uniform()))
      }
      return text.slice(prompt.length)
    })
  }

  #refuseWhenClosing(): void {
    if (this.isClosing()) throw new RoundAborted('the trainer was closed')
  }

  async #step(session: TrainingSession, { shard, position, steps }: Round, step: number) {
    const place = position + step - 1
    const { learningRate: peak, minLearningRate: min, warmupSteps } = this.setup.inner
    const totalSteps = this.setup.scheduleSteps[shard]
    const learningRate = learningRateAt(place, { peak, min, warmupSteps, totalSteps })
    const metrics = await session.step(this.#batch(shard, place), learningRate)
    const { loss, norm } = metrics
    if (isFiniteStep(metrics)) return { loss, learningRate }
    const what = Number.isFinite(loss) ? `the gradient's norm is ${norm}` : `the loss is ${loss}`
    throw new UserError(
      'training',
      `${what} at local step ${step} of ${steps} (position ${place} of shard ${shard}); the round is discarded`,
      'lower run.inner.learningRate or run.outer.learningRate, or warm up longer with run.inner.warmupSteps',
    )
  }

  #batch(shard: number, place: number): Int32Array {
    const { tokens, shards, inner, seed } = this.setup
    return batchOf(tokens.train, shard, shards, inner.batch, this.model.context, place, seed)
  }

  #session<T>(what: string, theta: Float32Array, work: (session: TrainingSession) => Promise<T>): Promise<T> {
    this.#checkSize(theta, 'theta')
    return this.#on(what, (engine) => engine.train(theta, this.#inner), work)
  }

  #inference<T>(
    what: string,
    theta: Float32Array,
    work: (session: InferenceSession) => Promise<T>,
  ): Promise<T> {
    this.#checkSize(theta, 'theta')
    return this.#on(what, (engine) => engine.infer(theta), work)
  }

  #on<Session extends { dispose(): void }, T>(
    what: string,
    begin: (engine: Engine) => Session,
    work: (session: Session) => Promise<T>,
  ): Promise<T> {
    return this.engine.do(what, async (engine) => {
      const session = begin(engine)
      try {
        return await work(session)
      } finally {
        session.dispose()
      }
    })
  }

  #checkSize(values: Float32Array, what: string): void {
    if (values.length === this.#size) return
    throw new UserError(
      'training',
      `${what} has ${values.length} values, but the model has ${this.#size} parameters`,
      'use parameters of the same model: compare run.model of both runs',
    )
  }

  #checkPrompt(prompt: readonly number[]): void {
    const { vocabulary } = this.model
    const foreign = prompt.find((token) => !(token >= 0 && token < vocabulary))
    if (foreign !== undefined) {
      throw new UserError(
        'usage',
        `token ${foreign} is not below the vocabulary of ${vocabulary}`,
        'change the prompt',
      )
    }
    if (prompt.length === 0) {
      throw new UserError('usage', 'the prompt is empty', 'give at least one character to continue')
    }
  }
}
