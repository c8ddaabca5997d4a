// `skein eval RUN-FOLDER --corpus PATH`: how well a trained model predicts a text.
import type { Command } from 'commander'
import { UserError } from '../core/user-error.js'
import { openCorpus } from '../data/corpus.js'
import { resolveModel } from '../model/config.js'
import { clean, count, duration, loss as nats, perplexity, perplexityOf } from '../observe/format.js'
import type { Evaluation, Trainer } from '../ports/trainer.js'
import type { CommandContext, ExitCode } from './context.js'
import { warningOn, withProgress } from './progress.js'
import { addEngineOptions, type EngineOptions, wholeNumber } from './run-options.js'
import { loadTrainedModel, openTrained, type TrainedModel } from './trained-model.js'

interface EvalOptions extends EngineOptions {
  readonly corpus: string
  readonly batches?: number
}

/** Adds the command. */
export function addEval(program: Command, context: CommandContext, exit: (code: ExitCode) => void): void {
  addEngineOptions(program.command('eval'))
    .argument('<run-folder>', 'folder of a run, as in runs/trio, or one of its checkpoints')
    .summary('measures the newest checkpoint of a run on a text')
    .description(
      'Measures how well the newest checkpoint of a run predicts a text: loss in nats per token, perplexity, bits per byte. On a text that the run trained on this flatters; its validation loss is of the part that no worker saw.',
    )
    .requiredOption(
      '--corpus <path>',
      'text to predict: a text file, a folder, JSON Lines, gzipped JSON Lines, or builtin; example: --corpus book.txt',
    )
    .option(
      '--batches <n>',
      'measures only so many batches, spread evenly over the text; example: --batches 50 (default: all of it)',
      wholeNumber(1),
    )
    .addHelpText('after', '\nExample:\n  skein eval runs/trio --corpus book.txt')
    .action(async (place: string, options: EvalOptions) => {
      context.io.stdout.write(`${(await evaluated(context, place, options)).join('\n')}\n`)
      exit(0)
    })
}

async function evaluated(
  { io }: CommandContext,
  place: string,
  { corpus, batches, ...engine }: EvalOptions,
): Promise<string[]> {
  const trained = await loadTrainedModel(place)
  const { text, source } = await withProgress(io, `reading ${corpus}`, () => openCorpus({ corpus }))
  const tokens = trained.tokenizer.encode(text)
  const { context } = resolveModel(trained.model, trained.tokenizer.vocabulary)
  if (tokens.length <= context)
    throw new UserError(
      'data',
      `${source} has ${tokens.length} tokens, fewer than one sequence of ${context + 1}`,
      'give a longer text',
    )
  const trainer = await openTrained(trained, engine, tokens, warningOn(io))
  try {
    const measured = await measure(io, trained, trainer, tokens.length, batches ?? Number.MAX_SAFE_INTEGER)
    return report(trained, source, measured, text.length / tokens.length)
  } finally {
    await trainer.close()
  }
}

// A first look at so few batches tells how long the whole will take.
const FIRST_BATCHES = 4

async function measure(
  io: CommandContext['io'],
  { theta }: TrainedModel,
  trainer: Trainer,
  totalTokens: number,
  batches: number,
): Promise<Evaluation> {
  const start = performance.now()
  const first = await trainer.evaluate(theta, Math.min(batches, FIRST_BATCHES))
  if (batches <= FIRST_BATCHES) return first
  const msPerToken = (performance.now() - start) / first.tokens
  const all = Math.min(batches * (first.tokens / FIRST_BATCHES), totalTokens)
  const doing = `measuring ${count(all)} tokens on ${trainer.info.name}, about ${duration(all * msPerToken)}`
  return withProgress(io, doing, () => trainer.evaluate(theta, batches))
}

function report(
  trained: TrainedModel,
  source: string,
  { loss, tokens }: Evaluation,
  bytesPerToken: number,
): string[] {
  // Nats per token to bits per byte: divide by ln 2 and by the bytes of a token.
  const bits = loss / Math.LN2 / bytesPerToken
  return [
    `version ${trained.version} on ${count(tokens)} tokens of ${clean(source)}`,
    `loss           ${nats(loss)} nats per token`,
    `perplexity     ${perplexity(perplexityOf(loss))}`,
    `bits per byte  ${bits.toFixed(3)}`,
  ]
}
