// The command line: all commands, and how mistakes on it are answered.
import { readFileSync } from 'node:fs'
import { Command, Help, Option } from 'commander'
import { packageRoot } from '../platform/package-root.js'
import { addBench } from './bench.js'
import type { CommandContext, ExitCode } from './context.js'
import { addDoctor } from './doctor.js'
import { printError } from './errors.js'
import { addEval } from './eval.js'
import { addJoin } from './join.js'
import { addPeer } from './peer.js'
import { addRecover } from './recover.js'
import { addRelay } from './relay.js'
import { addRevoke } from './revoke.js'
import { addSample } from './sample.js'
import { addStatus } from './status.js'
import { addStorm } from './storm.js'
import { addTicket } from './ticket.js'
import { addUp } from './up.js'

/** Runs one command line (without `node` and script) and returns the exit code. Errors are printed, not thrown. */
export async function runCommandLine(args: readonly string[], context: CommandContext): Promise<ExitCode> {
  let code: ExitCode = 0
  const program = buildProgram(context, (result) => {
    code = result
  })
  try {
    await program.parseAsync(args, { from: 'user' })
    return code
  } catch (error) {
    return printError(error, context.io.stderr, args.includes('--verbose'))
  }
}

function buildProgram(context: CommandContext, exit: (code: ExitCode) => void): Command {
  const program = new Command('skein')
    .description('Trains one language model on many machines that differ in speed and come and go.')
    .version(version())
    .option(
      '--verbose',
      'writes the diagnostic log to stderr, and the stack of an error; example: --verbose 2> log.txt',
      false,
    )
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void context.io.stdout.write(text),
      writeErr: (text) => void context.io.stderr.write(text),
      // Printed by printError, with the exit code of a mistake on the command line.
      outputError: () => {},
    })
    .configureHelp({ showGlobalOptions: true, optionDescription: describeOption })
    .addHelpText(
      'after',
      '\nExample:\n  skein up peers/trio.yaml\n\n`skein help COMMAND` explains a command.',
    )
  addUp(program, context, exit)
  addPeer(program, context, exit)
  addJoin(program, context, exit)
  addTicket(program, context, exit)
  addRevoke(program, context, exit)
  addRelay(program, context, exit)
  addStatus(program, context, exit)
  addDoctor(program, context, exit)
  addRecover(program, context, exit)
  addSample(program, context, exit)
  addEval(program, context, exit)
  addBench(program, context, exit)
  addStorm(program, context, exit)
  return program
}

/** A default is told unless it is that nothing is given. */
function describeOption({
  flags,
  description,
  argChoices,
  defaultValue,
  defaultValueDescription,
}: Option): string {
  const told = new Option(flags, description)
  if (argChoices !== undefined) told.choices(argChoices)
  const isNothing = defaultValue === false || (Array.isArray(defaultValue) && defaultValue.length === 0)
  if (!isNothing) told.default(defaultValue, defaultValueDescription)
  return new Help().optionDescription(told)
}

function version(): string {
  const text = readFileSync(new URL('package.json', packageRoot), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
