// The tokens a peer trains and validates on, and whether they are the run's.
import { UserError } from '../core/user-error.js'
import { openCorpus } from '../data/corpus.js'
import { dataManifest, manifestDifference } from '../data/manifest.js'
import { splitCorpus } from '../data/split.js'
import { openTokenizer, type Tokenizer } from '../data/tokenizer.js'
import { resolveModel } from '../model/config.js'
import type { TokenSplit } from '../ports/trainer.js'
import type { DataManifest, Genesis } from '../swarmfile/genesis.js'
import type { RunConfig } from '../swarmfile/schema.js'
import { ownCorpus } from './founding.js'

export interface Dataset {
  readonly tokens: TokenSplit
  readonly tokenizer: Tokenizer
  readonly manifest: DataManifest
  /** Where it came from, for messages. */
  readonly source: string
}

/**
 * Reads, tokenizes and splits a corpus as the run says.
 *
 * @param corpus `builtin` or a path on this machine
 * @throws UserError of kind `data`
 */
export async function loadDataset({ data, model }: RunConfig, corpus: string): Promise<Dataset> {
  const opened = await openCorpus({ corpus })
  const tokenizer = openTokenizer(data.tokenizer)
  const { context } = resolveModel(model, tokenizer.vocabulary)
  const tokens = splitCorpus(opened, tokenizer, { heldOut: data.heldOut, shards: data.shards, context })
  return { tokens, tokenizer, manifest: dataManifest(tokens), source: opened.source }
}

/** What members gave of a run's corpus, as its tokens. */
export function datasetOfTokens({ run }: Genesis, tokens: TokenSplit): Dataset {
  const tokenizer = openTokenizer(run.data.tokenizer)
  return { tokens, tokenizer, manifest: dataManifest(tokens), source: 'what members gave' }
}

/** @throws UserError that says how this peer's data differs from the run's */
export function checkDataset({ manifest, source }: Dataset, { data, run }: Genesis): void {
  const difference = manifestDifference(manifest, source, data, run.data.corpus)
  if (difference === null) return
  const remedy =
    run.data.corpus === ownCorpus
      ? "copy the founder's text to this machine, byte for byte, and pass its path with --corpus"
      : 'leave --corpus out'
  throw new UserError('data', difference, remedy)
}
