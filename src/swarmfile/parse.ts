// Reads a swarm file: YAML text in, checked configuration out, or every problem at once.
import { type Document, LineCounter, parseDocument } from 'yaml'
import { UserError } from '../core/user-error.js'
import { crossChecks } from './cross-checks.js'
import { type Problem, problemsOf } from './issues.js'
import { applyOverrides } from './overrides.js'
import { type SwarmFile, swarmFileSchema } from './schema.js'
import type { Path } from './schema-keys.js'

/**
 * Parses `text` with defaults and `--set` assignments applied. `source` names the file in messages.
 * Throws a `UserError` of kind `config` that lists every problem with its line.
 */
export function parseSwarmFile(text: string, source: string, assignments: readonly string[] = []): SwarmFile {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const raw = plainValue(document, lines, source)
  const { value, paths, problems } = applyOverrides(raw, assignments)
  const parsed = swarmFileSchema.safeParse(value, { reportInput: true })
  const found = [...(parsed.success ? [] : parsed.error.issues.flatMap(problemsOf)), ...crossChecks(value)]
  const located = found
    .map((problem) => ({ line: lineOf(document, lines, problem.path), problem, set: isSet(problem, paths) }))
    .sort((a, b) => a.line - b.line)
    .map(({ line, problem, set }) => `${set ? '--set' : `line ${line}`}: ${problem.text}`)
  if (parsed.success && located.length + problems.length === 0) return parsed.data
  throw swarmFileError(source, [...problems, ...located])
}

/** The document as plain values, once it is sound YAML and a group of keys. */
function plainValue(document: Document, lines: LineCounter, source: string): unknown {
  const faults = [...document.errors, ...document.warnings].map((fault) => {
    const { line, col } = lines.linePos(fault.pos[0])
    return `line ${line}, column ${col}: ${fault.message}`
  })
  if (faults.length > 0) throw swarmFileError(source, faults)
  const raw = readAliases(document, source)
  if (raw === null || typeof raw !== 'object' || Array.isArray(raw))
    throw swarmFileError(source, [
      raw === null
        ? 'line 1: the file is empty'
        : 'line 1: the file must be a group of keys, as in name: trio',
    ])
  return raw
}

function readAliases(document: Document, source: string): unknown {
  try {
    return document.toJS() ?? null
  } catch (error) {
    throw swarmFileError(source, [(error as Error).message])
  }
}

/** Line of the value at `path`, or of the nearest thing above it that the file has. */
function lineOf(document: Document, lines: LineCounter, path: Path): number {
  for (let depth = path.length; depth > 0; depth--) {
    const node = document.getIn(path.slice(0, depth), true)
    if (hasRange(node)) return lines.linePos(node.range[0]).line
  }
  return 1
}

const hasRange = (node: unknown): node is { range: [number, number, number] } =>
  typeof node === 'object' && node !== null && Array.isArray((node as { range?: unknown }).range)

/** True where the problem lies with a value that `--set` gave. */
const isSet = (problem: Problem, paths: readonly Path[]): boolean =>
  paths.some((path) => path.every((key, at) => key === String(problem.path[at])))

function swarmFileError(source: string, problems: readonly string[]): UserError {
  const unique = [...new Set(problems)]
  const count = unique.length === 1 ? 'a problem' : `${unique.length} problems`
  return new UserError(
    'config',
    `${source} has ${count}:\n${unique.map((line) => `  ${line}`).join('\n')}`,
    `change ${unique.length === 1 ? 'this line' : 'these lines'} and start again; every key is explained in src/swarmfile/schema.ts`,
  )
}
