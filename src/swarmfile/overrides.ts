// `--set a.b.c=value`: changes any key of a swarm file from the command line, before it is checked.
import { parse } from 'yaml'
import { nearest, suggestKey } from './nearest.js'
import { allPaths, dotted, isList, type Path, schemaAt } from './schema-keys.js'

export interface Overridden {
  readonly value: unknown
  /** Paths that were set, for telling where a wrong value came from. */
  readonly paths: readonly Path[]
  /** One readable line for each assignment that could not be made. */
  readonly problems: readonly string[]
}

interface Override {
  readonly path: readonly string[]
  readonly value: unknown
}

/** Applies `key=value` assignments in order to a copy of `raw`. A value is YAML; `null` returns a key to its default. */
export function applyOverrides(raw: unknown, assignments: readonly string[]): Overridden {
  const value = structuredClone(raw)
  const paths: Path[] = []
  const problems: string[] = []
  for (const assignment of assignments) {
    const override = readOverride(assignment)
    const problem = typeof override === 'string' ? override : put(value, override)
    if (problem !== null) problems.push(`--set ${assignment}: ${problem}`)
    else paths.push((override as Override).path)
  }
  return { value, paths, problems }
}

/** The assignment taken apart, or what is wrong with it. */
function readOverride(assignment: string): Override | string {
  const equals = assignment.indexOf('=')
  if (equals < 1) return 'expected key=value, as in run.localSteps=50'
  const path = assignment.slice(0, equals).trim().split('.')
  const unknown = unknownKey(path)
  if (unknown !== null) return unknown
  const text = assignment.slice(equals + 1).trim()
  if (text === '') return 'needs a value; write null to return to the default'
  try {
    return { path, value: parse(text) }
  } catch (error) {
    return `the value is not YAML (${(error as Error).message.split('\n')[0]})`
  }
}

function unknownKey(path: readonly string[]): string | null {
  const wrong = path.findIndex((_, at) => schemaAt(path.slice(0, at + 1)) === null)
  if (wrong === -1) return null
  const soFar = path.slice(0, wrong + 1)
  const parent = dotted(path.slice(0, wrong))
  if (isList(path.slice(0, wrong))) return `${parent} is a list; name an entry by its number from 0`
  // The whole path may have lost its beginning: outer.learningRate for run.outer.learningRate.
  const suffix = allPaths().find((other) => dotted(other).endsWith(`.${dotted(path)}`))
  if (suffix !== undefined) return `unknown key; did you mean ${dotted(suffix)}?`
  const whole = nearest(dotted(path), allPaths().map(dotted))
  if (whole !== null && wrong < path.length - 1) return `unknown key ${dotted(soFar)}; did you mean ${whole}?`
  return `unknown key ${dotted(soFar)}; ${suggestKey(soFar)}`
}

type Container = Record<string, unknown> | unknown[]
const isContainer = (value: unknown): value is Container => typeof value === 'object' && value !== null

/** Sets or removes one value in place; says what stands in the way. */
function put(root: unknown, { path, value }: Override): string | null {
  if (!isContainer(root)) return 'the file holds no keys'
  let at: Container = root
  for (const [depth, key] of path.entries()) {
    const outside = beyond(at, key, path.slice(0, depth), depth === path.length - 1)
    if (outside !== null) return outside
    const members = at as Record<string, unknown>
    if (depth === path.length - 1) {
      if (value !== null) members[key] = value
      else if (Array.isArray(at)) at.splice(Number(key), 1)
      else delete members[key]
      return null
    }
    if (!isContainer(members[key])) members[key] = isList(path.slice(0, depth + 1)) ? [] : {}
    at = members[key] as Container
  }
  return null
}

/** A list takes the numbers it has; as a whole entry also the next one. */
function beyond(at: Container, key: string, parent: Path, last: boolean): string | null {
  if (!Array.isArray(at)) return null
  const limit = last ? at.length : at.length - 1
  if (Number(key) <= limit) return null
  const has = at.length === 0 ? 'is empty' : `has entries 0 to ${at.length - 1}`
  return `${dotted(parent)} ${has}`
}
