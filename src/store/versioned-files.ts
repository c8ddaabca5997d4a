// Files numbered by version in one folder, `version-000012.safetensors`: naming, listing, keeping the newest.
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode, storeError } from './store-error.js'

const versionName = /^version-(\d{6,})\.safetensors$/

export interface VersionedFile {
  readonly version: number
  readonly path: string
}

export const versionPath = (folder: string, version: number): string =>
  join(folder, `version-${String(version).padStart(6, '0')}.safetensors`)

/** Newest first; empty where there is no such folder. @throws StoreError */
export async function listVersions(folder: string): Promise<VersionedFile[]> {
  const files: VersionedFile[] = []
  for (const name of await namesIn(folder)) {
    const match = versionName.exec(name)
    if (match !== null) files.push({ version: Number(match[1]), path: join(folder, name) })
  }
  return files.sort((a, b) => b.version - a.version)
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw storeError('read', folder, error)
  }
}

/** Removes all but the newest `keep`. @throws StoreError */
export async function keepNewestVersions(folder: string, keep: number): Promise<void> {
  for (const { path } of (await listVersions(folder)).slice(keep)) {
    try {
      await rm(path, { force: true })
    } catch (error) {
      throw storeError('remove', path, error)
    }
  }
}

/** Creates a folder and those above it where missing. @throws StoreError */
export async function ensureFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true })
  } catch (error) {
    throw storeError('create', folder, error)
  }
}
