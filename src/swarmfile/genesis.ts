// The genesis of a run: all that makes it this run. Its hash is the run's id, and two runs that were
// founded apart differ at least in founder or nonce, so they never merge.
import { z } from 'zod'
import { type PeerId, type RunId, runId, type Sha256 } from '../core/ids.js'
import { UserError } from '../core/user-error.js'
import { canonicalJson } from './canonical-json.js'
import { clusterSchema, runSchema } from './schema.js'

/** What the corpus is, by content: machines may keep it under different paths. */
const dataManifestSchema = z.strictObject({
  content: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .describe('Name of the token ids as content: who lacks the text has them from members by it.'),
  vocabulary: z.number().int().positive(),
  trainTokens: z.number().int().positive(),
  heldOutTokens: z.number().int().positive(),
})

const genesisSchema = z.strictObject({
  /** Layout of this object; another number is another program's. */
  format: z.literal(1),
  name: z.string(),
  run: runSchema,
  data: dataManifestSchema,
  clusters: z.array(clusterSchema).min(1),
  /** Of a hierarchical run: the name of the peer that founds each cluster's own swarm. */
  heads: z.record(z.string(), z.string()).optional(),
  founder: z.string().transform((text) => text as PeerId),
  nonce: z.string().min(1),
})

export type DataManifest = z.infer<typeof dataManifestSchema>
export type Genesis = z.infer<typeof genesisSchema>

/** The bytes that are hashed, as text: the same for equal genesis whatever the order of keys. */
export const genesisText = (genesis: Genesis): string => canonicalJson(genesis)

/** The id of a run: SHA-256 of its genesis in canonical JSON. */
export function runIdOf(genesis: Genesis, sha256: Sha256): RunId {
  return runId(sha256(new TextEncoder().encode(genesisText(genesis))))
}

/** Reads a genesis that came from outside. Throws a `UserError` of kind `refused` that names the first fault. */
export function parseGenesis(text: string): Genesis {
  const parsed = genesisSchema.safeParse(asJson(text))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw unreadable(`${issue.path.join('.') || 'genesis'}: ${issue.message}`)
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw unreadable((error as Error).message)
  }
}

const unreadable = (why: string): UserError =>
  new UserError(
    'refused',
    `the genesis of the run cannot be read (${why})`,
    'use the same version of skein on every machine of the run',
  )

/**
 * How two run configurations (JSON text) differ, naming each key with both values; empty when they agree.
 * Text that is not JSON is named as such, so that a strange peer gets an answer and no crash.
 */
export function genesisDifference(mine: string, theirs: string): string {
  let here: unknown
  let there: unknown
  try {
    here = JSON.parse(mine)
    there = JSON.parse(theirs)
  } catch {
    return mine === theirs ? '' : 'the configuration sent is not JSON'
  }
  return differences(here, there, '').join('; ')
}

function differences(mine: unknown, theirs: unknown, path: string): readonly string[] {
  if (isGroup(mine) && isGroup(theirs)) {
    const keys = [...new Set([...Object.keys(mine), ...Object.keys(theirs)])].sort()
    return keys.flatMap((key) => differences(mine[key], theirs[key], path === '' ? key : `${path}.${key}`))
  }
  if (spelled(mine) === spelled(theirs)) return []
  return [`${path || 'the configuration'} is ${spelled(mine)} here and ${spelled(theirs)} there`]
}

const isGroup = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const spelled = (value: unknown): string => (value === undefined ? 'not set' : canonicalJson(value))
