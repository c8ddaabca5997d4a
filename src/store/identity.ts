// The peer's private key: made once, kept for ever, readable by its owner alone.
import { chmod, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { createFileOnce } from './atomic.js'
import { errorCode, StoreError, storeError } from './store-error.js'
import { ensureFolder } from './versioned-files.js'

const ownerOnly = 0o600

/**
 * The key in a file; `generate` makes one where there is none. Of several processes that create it at once one wins,
 * and all get its key.
 *
 * @throws StoreError
 */
export async function loadOrCreateKey(
  path: string,
  generate: () => Uint8Array | Promise<Uint8Array>,
): Promise<Uint8Array> {
  const existing = await loadKey(path)
  if (existing !== null) return existing
  const key = await generate()
  await ensureFolder(dirname(path))
  if (await createFileOnce(path, key, ownerOnly)) return key
  return loadOrCreateKey(path, generate)
}

/** Null where there is no file. */
async function loadKey(path: string): Promise<Uint8Array | null> {
  let key: Uint8Array
  try {
    key = new Uint8Array(await readFile(path))
    // A copied folder may have lost the mode.
    await chmod(path, ownerOnly)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw storeError('read', path, error)
  }
  if (key.length > 0) return key
  throw new StoreError(
    path,
    `the key file ${path} is empty`,
    'restore it from a copy, or remove it: the peer then joins as a new one',
  )
}
