// The key of a private network, from a file as other programs that speak libp2p have it.
import { readFileSync } from 'node:fs'
import { UserError } from '../core/user-error.js'

const LAYOUT = /^\/key\/swarm\/psk\/1\.0\.0\/\n\/base16\/\n[0-9a-f]{64}$/i

/** Null where no file is given. @throws UserError if it holds no key */
export function readPsk(path: string | undefined): Uint8Array | null {
  if (path === undefined) return null
  let text: string
  try {
    text = readFileSync(path, 'utf8').replace(/\r/g, '').trim()
  } catch (error) {
    throw new UserError(
      'storage',
      `the key of the private network cannot be read: ${(error as Error).message}`,
      'give the file that every peer of the run has with --psk',
      { cause: error },
    )
  }
  if (LAYOUT.test(text)) return new TextEncoder().encode(text)
  throw new UserError(
    'usage',
    `${path} holds no key of a private network`,
    'it has three lines: /key/swarm/psk/1.0.0/, /base16/, and 64 hexadecimal digits, as `openssl rand -hex 32` prints them',
  )
}
