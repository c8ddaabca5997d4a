// Reads a swarm file from disk, with errors that say where to look.
import { readFileSync } from 'node:fs'
import { UserError } from '../core/user-error.js'
import { parseSwarmFile } from '../swarmfile/parse.js'
import type { SwarmFile } from '../swarmfile/schema.js'

/** The checked swarm file at `path` with `assignments` applied. */
export function readSwarmFile(path: string, assignments: readonly string[]): SwarmFile {
  return parseSwarmFile(readText(path), path, assignments)
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const why =
      code === 'ENOENT' ? 'does not exist' : code === 'EISDIR' ? 'is a folder' : `cannot be read (${message})`
    throw new UserError(
      'config',
      `the swarm file ${path} ${why}`,
      'give the path of a YAML file; ready-made ones are in peers/, as in skein up peers/trio.yaml',
      { cause: error },
    )
  }
}
