// Says what went wrong and what to do, and chooses the exit code.
import { CommanderError } from 'commander'
import { exitCodes, UserError } from '../core/user-error.js'
import { cleanLines } from '../observe/format.js'

/** Neither the user's mistake nor an end that was asked for: a fault of the program. */
const FAULT = 1

/** Prints an error for a person and returns the exit code. */
export function printError(
  error: unknown,
  stderr: { write(text: string): unknown },
  verbose: boolean,
): number {
  if (error instanceof CommanderError) return printCommandError(error, stderr)
  if (error instanceof UserError) {
    stderr.write(`error: ${cleanLines(error.message)}\nwhat to do: ${cleanLines(error.remedy)}\n`)
    if (verbose && error.cause !== undefined) stderr.write(`caused by: ${stackOf(error.cause)}\n`)
    return exitCodes[error.kind]
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  stderr.write(`error: something unforeseen happened: ${cleanLines(message)}\n`)
  stderr.write(
    verbose
      ? `${stackOf(error)}\nwhat to do: this is a fault of skein; please report it with the lines above and the command you gave\n`
      : 'what to do: this is a fault of skein; give the command again with --verbose and report what it prints\n',
  )
  return FAULT
}

const stackOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error)

/** commander's messages end with its suggestion in brackets on a line of its own. */
function printCommandError(error: CommanderError, stderr: { write(text: string): unknown }): number {
  if (error.exitCode === 0) return 0
  // Help was shown because no command was given.
  if (error.code === 'commander.help') return exitCodes.usage
  const [message, suggestion] = error.message.replace(/^error: /, '').split('\n')
  const hint = suggestion === undefined ? '' : `${suggestion.replace(/^\((.*)\)$/, '$1')} `
  stderr.write(`error: ${message}\nwhat to do: ${hint}See \`skein help\` or \`skein help COMMAND\`.\n`)
  return exitCodes.usage
}
