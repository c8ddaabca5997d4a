// Turns what the schema found into lines that a person can act on.
import type { z } from 'zod'
import { nearest, suggestKey } from './nearest.js'
import { dotted, type Path } from './schema-keys.js'

/** Something wrong with a swarm file, and where. */
export interface Problem {
  readonly path: Path
  readonly text: string
}

/** One problem for each wrong key or value that an issue speaks of. */
export function problemsOf(issue: z.core.$ZodIssue): readonly Problem[] {
  const path = issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key))
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => {
      const at = [...path, key]
      return { path: at, text: `unknown key ${dotted(at)}; ${suggestKey(at)}` }
    })
  return [{ path, text: `${dotted(path) || 'the file'} ${fault(issue)}` }]
}

/** What is wrong with a value, as the rest of a sentence that begins with its key. */
function fault(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return `is missing (expected ${kind(issue.expected)})`
      if (issue.input === null) return `has no value; give ${kind(issue.expected)} or remove the key`
      return `must be ${kind(issue.expected)}, not ${show(issue.input)}`
    case 'too_small':
      return `must be ${issue.inclusive ? 'at least' : 'more than'} ${amount(issue.minimum, issue.origin)}, not ${size(issue.input)}`
    case 'too_big':
      return `must be ${issue.inclusive ? 'at most' : 'less than'} ${amount(issue.maximum, issue.origin)}, not ${size(issue.input)}`
    case 'invalid_value': {
      const values = issue.values.map(String)
      const near = typeof issue.input === 'string' && values.length > 1 ? nearest(issue.input, values) : null
      const hint = near === null ? '' : ` (did you mean ${near}?)`
      const choice = values.length === 1 ? values[0] : `one of ${values.join(', ')}`
      return issue.input === undefined
        ? `is missing (expected ${choice})`
        : `must be ${choice}, not ${show(issue.input)}${hint}`
    }
    case 'invalid_format':
      return `${show(issue.input)} is not allowed: ${issue.message}`
    case 'invalid_union':
      return `must be ${issue.errors.flatMap((branch) => branch.slice(0, 1).map(expectation)).join(' or ')}, not ${show(issue.input)}`
    default:
      return `is not allowed: ${issue.message}`
  }
}

/** What one branch of a choice would have taken. */
function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return kind(issue.expected)
    case 'invalid_value':
      return issue.values.map(String).join(' or ')
    case 'too_small':
      return `${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}`
    default:
      return issue.message
  }
}

function kind(expected: string): string {
  switch (expected) {
    case 'int':
      return 'a whole number'
    case 'number':
      return 'a number'
    case 'string':
      return 'text'
    case 'boolean':
      return 'true or false'
    case 'array':
      return 'a list'
    case 'tuple':
      return 'a list'
    case 'object':
      return 'a group of keys'
    default:
      return expected
  }
}

const amount = (bound: number | bigint, origin: string): string =>
  origin === 'array' ? `${bound} ${Number(bound) === 1 ? 'entry' : 'entries'}` : String(bound)

const size = (input: unknown): string => (Array.isArray(input) ? String(input.length) : show(input))

function show(input: unknown): string {
  const text = typeof input === 'string' ? `"${input}"` : (JSON.stringify(input) ?? String(input))
  // Long enough to recognise the value, short enough for one line.
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}
