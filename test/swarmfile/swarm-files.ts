// Small swarm files for the tests, and a way to see what is wrong with one.
import { UserError } from '../../src/core/user-error.js'
import { parseSwarmFile } from '../../src/swarmfile/parse.js'

export const small = `name: small
clusters:
  - name: a
  - name: b
peers:
  - { name: one, cluster: a }
  - { name: two, cluster: b }
`

/** The message of the error that parsing gives; fails where there is none. */
export function problemsWith(text: string, assignments: readonly string[] = []): string {
  try {
    parseSwarmFile(text, 'test.yaml', assignments)
  } catch (error) {
    if (error instanceof UserError && error.kind === 'config') return error.message
    throw error
  }
  throw new Error('expected the swarm file to be refused')
}
