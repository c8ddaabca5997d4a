// `skein sample RUN-FOLDER "prompt"`: text from a trained model.

import { type Command, InvalidArgumentError } from 'commander'
import type { CommandContext, ExitCode } from './context.js'
import { warningOn, withProgress } from './progress.js'
import { addEngineOptions, type EngineOptions, wholeNumber } from './run-options.js'
import { loadTrainedModel, openTrained } from './trained-model.js'

interface SampleOptions extends EngineOptions {
  readonly length: number
  readonly temperature: number
  readonly seed: number
}

/** Adds the command. */
export function addSample(program: Command, context: CommandContext, exit: (code: ExitCode) => void): void {
  addEngineOptions(program.command('sample'))
    .argument('<run-folder>', 'folder of a run, as in runs/trio, or one of its checkpoints')
    .argument('<prompt>', 'text to go on from')
    .summary('generates text with the newest checkpoint of a run')
    .description('Continues a prompt with the newest checkpoint of a run.')
    .option('--length <tokens>', 'tokens to generate; example: --length 500', wholeNumber(1), 200)
    .option(
      '--temperature <t>',
      '0 always takes the likeliest token, 1 draws from what the model believes; example: --temperature 0.5',
      temperature,
      0.8,
    )
    .option('--seed <n>', 'the same seed gives the same text; example: --seed 7', wholeNumber(0), 1)
    .addHelpText(
      'after',
      '\nExample:\n  skein sample runs/trio "Once upon a time" --length 300 --temperature 0.7',
    )
    .action(async (place: string, prompt: string, options: SampleOptions) => {
      context.io.stdout.write(`${prompt}${await generated(context, place, prompt, options)}\n`)
      exit(0)
    })
}

async function generated(
  { io }: CommandContext,
  place: string,
  prompt: string,
  { length, temperature, seed, ...engine }: SampleOptions,
): Promise<string> {
  const trained = await loadTrainedModel(place)
  const { tokenizer } = trained
  const trainer = await openTrained(trained, engine, new Uint16Array(0), warningOn(io))
  try {
    const ids = [...tokenizer.encode(prompt)]
    const doing = `generating ${length} tokens with version ${trained.version} on ${trainer.info.name}`
    const text = await withProgress(io, doing, () =>
      trainer.generate(trained.theta, ids, length, temperature, seed),
    )
    return tokenizer.decode(text)
  } finally {
    await trainer.close()
  }
}

function temperature(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('Expected a number of at least 0.')
  return value
}
