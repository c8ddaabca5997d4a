// The document that every `skein bench` command prints: which bench, on which machine, and its rows.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { arch, availableParallelism, cpus, release, type as systemName, totalmem } from 'node:os'
import { z } from 'zod'

export const machineSchema = z.strictObject({
  cpu: z.string().describe('Model of the processor.'),
  cores: z.number().int().positive().describe('Cores that this process may use.'),
  memoryBytes: z.number().int().positive(),
  os: z.string(),
  node: z.string(),
  onnxruntime: z.string().nullable().describe('Version; null where the bench does without.'),
  torch: z.string().nullable().describe('Version, BLAS and device; null where not compared with.'),
})
export type Machine = z.infer<typeof machineSchema>

/** The schema of a bench's document, by that of its rows. */
export const reportSchema = <Name extends string, Row extends z.ZodType>(bench: Name, row: Row) =>
  z.strictObject({ bench: z.literal(bench), machine: machineSchema, rows: z.array(row) })

/** The document. */
export interface Report<Row> {
  readonly bench: string
  readonly machine: Machine
  readonly rows: readonly Row[]
}

/** This machine; what is compared with tells its version by itself. */
export function thisMachine(versions: Pick<Machine, 'onnxruntime' | 'torch'>): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    os: `${systemName()} ${release()} ${arch()}`,
    node: process.versions.node,
    ...versions,
  }
}

/** Of an installed package, without loading it. */
export function packageVersion(name: string): string {
  const path = createRequire(import.meta.url).resolve(`${name}/package.json`)
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
}
