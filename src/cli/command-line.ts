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

/**
 * How to go on with a run that was stopped: the same command with `--resume` and the run's folder; where nothing was
 * kept yet, the command as it was.
 *
 * @param kept whether the folder holds what can be resumed
 */
export function goOnCommand(
  command: readonly string[],
  options: RunOptions,
  folder: string,
  kept: boolean,
): string {
  if (kept) return commandLine([...command, '--resume', ...givenArguments({ ...options, out: folder })])
  return commandLine([...command, ...givenArguments(options)])
}

function givenArguments(options: RunOptions): readonly string[] {
  const {
    out,
    corpus,
    engine,
    device,
    threads,
    microBatch,
    cluster,
    psk,
    seed,
    set,
    stopAfter,
    json,
    maxUpload,
    maxDownload,
  } = options
  const given: readonly [string, string | number | undefined][] = [
    ['--out', out],
    ['--corpus', corpus],
    ['--engine', engine === 'auto' ? undefined : engine],
    ['--device', device],
    ['--threads', threads],
    ['--micro-batch', microBatch],
    ['--cluster', cluster],
    ['--psk', psk],
    ['--max-upload', maxUpload],
    ['--max-download', maxDownload],
    ['--seed', seed],
    ...set.map((assignment): [string, string] => ['--set', assignment]),
    ['--stop-after', stopAfter],
  ]
  return [
    ...given.flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)])),
    ...(json ? ['--json'] : []),
  ]
}
