// Walks the schema of a swarm file: which keys are valid where, and what stands behind a path.
import { z } from 'zod'
import { swarmFileSchema } from './schema.js'

/** A key or a place in a list, from the top of the file. */
export type Path = readonly (string | number)[]

/** The schema without the wrappers that make it optional or give it a default. */
function bare(schema: z.core.$ZodType): z.core.$ZodType {
  let inner = schema
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault || inner instanceof z.ZodOptional)
    inner = inner.unwrap()
  return inner
}

function child(schema: z.core.$ZodType, key: string | number): z.core.$ZodType | null {
  const parent = bare(schema)
  if (parent instanceof z.ZodObject) return Object.hasOwn(parent.shape, key) ? parent.shape[key] : null
  if (parent instanceof z.ZodArray) return /^\d+$/.test(String(key)) ? parent.element : null
  if (parent instanceof z.ZodTuple) return parent.def.items[Number(key)] ?? null
  return null
}

/** The schema behind a path, unwrapped; null where the file has no such key. */
export function schemaAt(path: Path): z.core.$ZodType | null {
  let schema: z.core.$ZodType | null = swarmFileSchema
  for (const key of path) {
    schema = child(schema, key)
    if (schema === null) return null
  }
  return bare(schema)
}

/** The keys that may stand under a path; empty for a value or a list. */
export function keysAt(path: Path): readonly string[] {
  const schema = schemaAt(path)
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
}

/** True where a path leads to a list. */
export function isList(path: Path): boolean {
  const schema = schemaAt(path)
  return schema instanceof z.ZodArray || schema instanceof z.ZodTuple
}

/** Every path of the file, places in lists written as 0. */
export function allPaths(from: Path = []): readonly Path[] {
  if (isList(from)) return allPaths([...from, 0])
  return keysAt(from).flatMap((key) => [[...from, key], ...allPaths([...from, key])])
}

/** `run.outer.bufferSize`, `peers.1.slowdown`. */
export const dotted = (path: Path): string => path.join('.')
