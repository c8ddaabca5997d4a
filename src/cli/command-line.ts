// Writes command lines that can be copied and given: for resuming, and for what to do next.
import { basename, relative } from 'node:path'
import type { RunOptions } from './run-options.js'

/** One argument as a POSIX shell takes it. */
export const quoted = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`

/** The way this program was called, up to the command: `skein`, or node with its script. */
export function programName(argv: readonly string[] = process.argv): string {
  const script = argv[1] ?? 'skein'
  if (basename(script) === 'skein') return 'skein'
  const path = relative('', script)
  return `node ${quoted(path.startsWith('..') ? script : path)}`
}

/** `skein COMMAND ARGS...`, quoted. */
export const commandLine = (args: readonly string[], program = programName()): string =>
  [program, ...args.map(quoted)].join(' ')

/** The options that a run must be resumed with: those that were given, its folder, and `--resume`. */
export function resumeArguments(options: RunOptions, folder: string): readonly string[] {
  const { corpus, engine, threads, cluster, seed, set, stopAfter, json } = options
  const given: readonly [string, string | number | undefined][] = [
    ['--out', folder],
    ['--corpus', corpus],
    ['--engine', engine === 'auto' ? undefined : engine],
    ['--threads', threads],
    ['--cluster', cluster],
    ['--seed', seed],
    ...set.map((assignment): [string, string] => ['--set', assignment]),
    ['--stop-after', stopAfter],
  ]
  return [
    '--resume',
    ...given.flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)])),
    ...(json ? ['--json'] : []),
  ]
}
