// `skein bench`: the commands that measure.
import type { Command } from 'commander'
import { addBenchCodec } from './bench-codec.js'
import { addBenchEngine } from './bench-engine.js'
import { addBenchFailover } from './bench-failover.js'
import { addBenchIdle } from './bench-idle.js'
import { addBenchNetwork } from './bench-network.js'
import { addBenchOuter } from './bench-outer.js'
import type { CommandContext, ExitCode } from './context.js'

/** Adds the command and what it can measure. */
export function addBench(program: Command, context: CommandContext, exit: (code: ExitCode) => void): void {
  const bench = program
    .command('bench')
    .summary('measures how fast this machine trains, and how soon a swarm goes on')
    .description('Measures, and prints a table or, for scripts, one JSON document { bench, machine, rows }.')
    .addHelpText('after', '\nExample:\n  skein bench engine --size a,b --threads 1,2')
  addBenchEngine(bench, context, exit)
  addBenchOuter(bench, context)
  addBenchCodec(bench, context)
  addBenchFailover(bench, context, exit)
  addBenchIdle(bench, context, exit)
  addBenchNetwork(bench, context)
}
