// A corpus: the text that a run trains on, from wherever its configuration says.
import { stat } from 'node:fs/promises'
import { sha256InSlices } from '../platform/sha256.js'
import type { DataConfig } from '../swarmfile/schema.js'
import { dataError, empty, unreadable } from './data-error.js'
import { isJsonLines, readAnyFile, readFolder } from './folder.js'
import { stories, storiesSeed } from './stories.js'
import { TextBuilder } from './text-builder.js'

/** What a `corpus` of the configuration calls the built-in one. */
export const builtinName = 'builtin'

export type CorpusKind = 'builtin' | 'text' | 'folder' | 'json-lines'

export interface CorpusManifest {
  readonly kind: CorpusKind
  /** Of the text, lower-case hex. */
  readonly sha256: string
  readonly bytes: number
  readonly documents: number
}

export interface Corpus {
  /** UTF-8. */
  readonly text: Uint8Array
  /** Where each document starts, in bytes, ascending. */
  readonly documentStarts: readonly number[]
  readonly manifest: CorpusManifest
  /** Its path, or `the built-in corpus`: for messages. */
  readonly source: string
  /** Binary files of a folder that were left out. */
  readonly skipped: readonly string[]
}

/**
 * Opens the corpus that a configuration names.
 *
 * @param seed of the built-in stories; every peer of a run must use the same
 * @throws UserError of kind `data` that names the path and the remedy
 */
export async function openCorpus(
  { corpus }: Pick<DataConfig, 'corpus'>,
  seed = storiesSeed,
): Promise<Corpus> {
  if (corpus === builtinName) return builtin(seed)
  const builder = new TextBuilder(corpus)
  const kind = await kindOf(corpus)
  const skipped = kind === 'folder' ? await readFolder(corpus, builder) : []
  if (kind !== 'folder') await readAnyFile(corpus, builder)
  if (builder.bytes === 0) throw empty(corpus)
  return finished(kind, corpus, builder, skipped)
}

function builtin(seed: number): Promise<Corpus> {
  const source = 'the built-in corpus'
  const builder = new TextBuilder(source)
  for (const story of stories(seed)) {
    builder.startDocument()
    builder.append(Buffer.from(`${story}\n`))
  }
  return finished('builtin', source, builder, [])
}

async function kindOf(path: string): Promise<CorpusKind> {
  try {
    const entry = await stat(path)
    if (entry.isDirectory()) return 'folder'
    if (entry.isFile()) return isJsonLines(path) ? 'json-lines' : 'text'
  } catch (error) {
    throw unreadable(path, error)
  }
  throw dataError(`${path} is neither a file nor a folder`, 'pass a text file or a folder with --corpus')
}

async function finished(
  kind: CorpusKind,
  source: string,
  builder: TextBuilder,
  skipped: readonly string[],
): Promise<Corpus> {
  const { text, documentStarts } = builder.finish()
  const sha256 = await sha256InSlices(text)
  const manifest = { kind, sha256, bytes: text.length, documents: documentStarts.length }
  return { text, documentStarts, manifest, source, skipped }
}
