// A peer's folder belongs to one process at a time.
import { link, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { createFileOnce, temporaryPath } from './atomic.js'
import { isRunning, processIdentity } from './process-identity.js'
import { errorCode, StoreError, storeError } from './store-error.js'
import { ensureFolder } from './versioned-files.js'

export interface PeerLock {
  /** Lets another process have the folder. */
  release(): Promise<void>
}

interface Owner {
  readonly pid: number
  readonly identity: string | null
}

/**
 * Takes the lock of a peer's folder, creating the folder if need be. A lock that a dead process left is taken over.
 *
 * @throws StoreError if a living process holds it
 */
export async function lockPeer(lockPath: string, peer: string): Promise<PeerLock> {
  await ensureFolder(dirname(lockPath))
  const own: Owner = { pid: process.pid, identity: processIdentity(process.pid) }
  const bytes = new TextEncoder().encode(JSON.stringify(own))
  while (!(await createFileOnce(lockPath, bytes))) {
    const found = await readLock(lockPath)
    if (found === null) continue
    const owner = ownerOf(found)
    if (owner !== null && lives(owner)) throw held(lockPath, peer, owner.pid)
    await discard(lockPath, found)
  }
  return { release: () => remove(lockPath) }
}

function lives({ pid, identity }: Owner): boolean {
  if (!isRunning(pid)) return false
  return identity === null || identity === processIdentity(pid)
}

/** Null if the lock was released meanwhile. */
async function readLock(lockPath: string): Promise<string | null> {
  try {
    return await readFile(lockPath, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw storeError('read', lockPath, error)
  }
}

/** Null if the text names nobody. */
function ownerOf(text: string): Owner | null {
  try {
    const owner = JSON.parse(text) as Partial<Owner> | null
    return typeof owner?.pid === 'number' ? { pid: owner.pid, identity: owner.identity ?? null } : null
  } catch {
    return null
  }
}

/** Moves a dead process's lock aside; one that another process took meanwhile is put back. */
async function discard(lockPath: string, dead: string): Promise<void> {
  const aside = temporaryPath(lockPath)
  try {
    await rename(lockPath, aside)
    if ((await readFile(aside, 'utf8')) !== dead) await link(aside, lockPath)
    await rm(aside, { force: true })
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw storeError('remove', lockPath, error)
  }
}

async function remove(lockPath: string): Promise<void> {
  try {
    await rm(lockPath, { force: true })
  } catch (error) {
    throw storeError('remove', lockPath, error)
  }
}

function held(lockPath: string, peer: string, pid: number): StoreError {
  return new StoreError(
    lockPath,
    `peer ${peer} already runs as process ${pid} (${lockPath})`,
    `stop that process (kill ${pid}) and continue with --resume, or pass another folder with --out`,
  )
}
