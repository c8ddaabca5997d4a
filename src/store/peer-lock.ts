// A peer's folder belongs to one process at a time.
import { readFile, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { createFileOnce } from './atomic.js'
import { isRunning, processIdentity } from './process-identity.js'
import { errorCode, StoreError, storeError } from './store-error.js'
import { ensureFolder } from './versioned-files.js'

/** How long another process may take to remove a dead lock before this one looks again: a few disk writes. */
const takeoverMs = 10

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
    await discard(lockPath, found, bytes)
  }
  return { release: () => remove(lockPath) }
}

/** The living process that has a peer's folder; null where none has. @throws StoreError if the lock cannot be read */
export async function lockHolder(lockPath: string): Promise<number | null> {
  const found = await readLock(lockPath)
  const owner = found === null ? null : ownerOf(found)
  return owner !== null && lives(owner) ? owner.pid : null
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

/**
 * Removes a dead process's lock, unless another took it over meanwhile. Only the holder of a second file may do so:
 * else of two who found the lock dead, the slower would remove the lock that the faster has just taken.
 */
async function discard(lockPath: string, dead: string, own: Uint8Array): Promise<void> {
  const guard = `${lockPath}.takeover`
  if (await createFileOnce(guard, own)) {
    try {
      if ((await readLock(lockPath)) === dead) await remove(lockPath)
    } finally {
      await remove(guard)
    }
    return
  }
  const found = await readLock(guard)
  const owner = found === null ? null : ownerOf(found)
  if (found !== null && (owner === null || !lives(owner))) await remove(guard)
  await setTimeout(takeoverMs)
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
