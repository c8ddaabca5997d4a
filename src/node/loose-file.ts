// Small files that other programs may read at any moment, and that a crash may take back to an earlier content.
import { renameSync, writeFileSync } from 'node:fs'

/** Replaces a file as a whole, without waiting for the disk; where that fails, the old content stays. */
export function replaceFile(path: string, text: string): void {
  const aside = `${path}.new`
  try {
    writeFileSync(aside, text)
    renameSync(aside, path)
  } catch {
    // A full disk is reported by what has to be durable.
  }
}
