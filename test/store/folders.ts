// Empty folders, disks that are full, and files that rot, for the tests of files.
import { execFileSync } from 'node:child_process'
import { type FileHandle, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Gives `use` an empty folder and removes it. */
export async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'skein-store-'))
  try {
    await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Gives `use` a file system of this size; false where this user may not mount one. */
export async function withSmallDisk(
  kibibytes: number,
  use: (folder: string) => Promise<void>,
): Promise<boolean> {
  let mounted = true
  await withFolder(async (folder) => {
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kibibytes}k`, 'tmpfs', folder], { stdio: 'ignore' })
    } catch {
      mounted = false
      return
    }
    try {
      await use(folder)
    } finally {
      execFileSync('umount', ['-l', folder], { stdio: 'ignore' })
    }
  })
  return mounted
}

export async function flipBit(path: string, byteFromEnd: number): Promise<void> {
  const bytes = await readFile(path)
  bytes[bytes.length - byteFromEnd] ^= 4
  await writeFile(path, bytes)
}

/** Writes of all file handles fail, as on a full disk, once this many bytes are written while `use` runs. */
export async function withRoomFor(room: number, use: () => Promise<void>): Promise<void> {
  type Write = (
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number | null,
  ) => Promise<unknown>
  let left = room
  const fillingUp = (real: unknown) =>
    async function (
      this: unknown,
      buffer: Uint8Array,
      offset: number,
      length: number,
      position: number | null,
    ) {
      if (left === 0 && length > 0) throw failure('ENOSPC')
      const taken = Math.min(left, length)
      left -= taken
      return (real as Write).call(this, buffer, offset, taken, position)
    }
  await withHandleMethod('write', fillingUp, use)
}

export const failure = (code: string): Error => Object.assign(new Error(`${code}: made by a test`), { code })

/** Replaces a method of all file handles while `use` runs. */
export async function withHandleMethod<Name extends 'write' | 'sync' | 'datasync' | 'truncate'>(
  name: Name,
  replace: (real: FileHandle[Name]) => (...args: never[]) => Promise<unknown>,
  use: () => Promise<void>,
): Promise<void> {
  const probe = await open(tmpdir(), 'r')
  const prototype = Object.getPrototypeOf(probe) as FileHandle
  await probe.close()
  const real = prototype[name]
  prototype[name] = replace(real) as FileHandle[Name]
  try {
    await use()
  } finally {
    prototype[name] = real
  }
}
