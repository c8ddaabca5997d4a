// Reads a folder of text: every file in it and below, in the order of their paths.
import { open, readdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isGzipped } from './bytes.js'
import { dataError, unreadable } from './data-error.js'
import { readJsonLines } from './json-lines.js'
import type { TextBuilder } from './text-builder.js'
import { readTextFile } from './text-file.js'

/** As much as git and grep look at to tell text from binary: a zero byte in it means binary. */
const sniffedBytes = 8000
const newline = Uint8Array.of(0x0a)

export const isJsonLines = (path: string): boolean => /\.(jsonl|ndjson|json)(\.gz)?$/i.test(path)

/** Reads one file by its kind. @throws UserError */
export async function readAnyFile(path: string, builder: TextBuilder): Promise<void> {
  if (isJsonLines(path)) await readJsonLines(path, builder)
  else await readTextFile(path, builder)
}

/**
 * Appends all text files of a folder. Hidden and binary files are left out.
 *
 * @returns paths of the binary files left out
 * @throws UserError if nothing is usable, or a text file is broken
 */
export async function readFolder(folder: string, builder: TextBuilder): Promise<string[]> {
  const skipped: string[] = []
  for (const path of await filesBelow(folder)) {
    if (!isGzipped(path) && (await isBinary(path))) {
      skipped.push(path)
      continue
    }
    const before = builder.bytes
    await readAnyFile(path, builder)
    // A file without a last newline must not run into the next one.
    if (builder.bytes > before) builder.append(newline)
  }
  if (builder.bytes > 0) return skipped
  throw dataError(
    `the folder ${folder} has no text: ${skipped.length === 0 ? 'it holds no files but hidden or empty ones' : `its ${skipped.length} files are binary`}`,
    'put .txt, .jsonl or .jsonl.gz files into it, or pass another with --corpus',
  )
}

/** Paths sorted by code units folder by folder, the same on every machine; links are followed, loops are not. */
async function filesBelow(folder: string, above: readonly string[] = []): Promise<string[]> {
  try {
    const real = await realpath(folder)
    if (above.includes(real)) return []
    const files: string[] = []
    for (const name of (await readdir(folder)).filter((entry) => !entry.startsWith('.')).sort()) {
      const path = join(folder, name)
      const kind = await stat(path)
      if (kind.isDirectory()) files.push(...(await filesBelow(path, [...above, real])))
      else if (kind.isFile()) files.push(path)
    }
    return files
  } catch (error) {
    throw unreadable(folder, error)
  }
}

async function isBinary(path: string): Promise<boolean> {
  try {
    const handle = await open(path, 'r')
    try {
      const { buffer, bytesRead } = await handle.read(new Uint8Array(sniffedBytes), 0, sniffedBytes, 0)
      return buffer.subarray(0, bytesRead).includes(0)
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw unreadable(path, error)
  }
}
