// Empty folders for the tests of this layer, removed after each.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const made: string[] = []

export async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'skein-node-'))
  made.push(path)
  return path
}

export async function removeFolders(): Promise<void> {
  for (const path of made.splice(0)) await rm(path, { recursive: true, force: true })
}
