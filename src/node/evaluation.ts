// The engine beside the training one: it validates while training goes on, and writes the sample at a run's end.
import type { Version } from '../core/ids.js'
import type { Report } from '../core/reports.js'
import { engineBeside } from '../engine/names.js'
import { openTrainer } from '../engine/thread-trainer.js'
import type { Trainer, TrainerSetup } from '../ports/trainer.js'
import type { Dataset } from './dataset.js'

/** Long enough to judge, short enough not to wait for. */
const sample = { promptTokens: 24, tokens: 160, temperature: 0.8 } as const

export class Evaluation {
  #opened: Promise<Trainer> | null = null

  /** @param beside name of the engine that trains */
  constructor(
    private readonly setup: TrainerSetup,
    private readonly beside: string,
    private readonly dataset: Dataset,
    private readonly report: (report: Report) => void,
  ) {}

  /** Started when it is first needed. */
  readonly engine = (): Promise<Trainer> => {
    const own = engineBeside(this.beside, this.setup.device)
    const warn = (message: string) => this.report({ type: 'warning', message })
    this.#opened ??= openTrainer({ ...this.setup, ...own, slowdown: 1 }, warn)
    return this.#opened
  }

  /** What the trained model makes of the first words of the held-out part. */
  async writeSample(version: Version, theta: Float32Array, seed: number): Promise<void> {
    const { tokenizer, tokens } = this.dataset
    const prompt = Array.from(tokens.heldOut.subarray(0, sample.promptTokens))
    const engine = await this.engine()
    const generated = await engine.generate(theta, prompt, sample.tokens, sample.temperature, seed)
    this.report({
      type: 'sample',
      version,
      prompt: tokenizer.decode(prompt),
      text: tokenizer.decode(generated),
    })
  }

  async close(): Promise<void> {
    const engine = await this.#opened?.catch(() => null)
    await engine?.close()
  }
}
