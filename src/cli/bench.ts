// `skein bench`: the commands that measure.
import type { Command } from 'commander'
import { addBenchEngine } from './bench-engine.js'
import type { CommandContext, ExitCode } from './context.js'

/** Adds the command and what it can measure. */
export function addBench(program: Command, context: CommandContext, exit: (code: ExitCode) => void): void {
  const bench = program
    .command('bench')
    .summary('measures how fast this machine trains')
    .description('Measures, and prints a table or, for scripts, one JSON document { bench, machine, rows }.')
    .addHelpText('after', '\nExample:\n  skein bench engine --size a,b --threads 1,2')
  addBenchEngine(bench, context, exit)
}
