// What a run trains on, by content: part of the run's id, so that two peers never train on different texts unawares.
import { ContentHasher } from '../platform/content-name.js'
import type { TokenSplit } from '../ports/trainer.js'
import type { DataManifest } from '../swarmfile/genesis.js'
import { builtinName } from './corpus.js'

/** Little-endian bytes of the token ids: hashed in pieces, because hashes refuse shared memory. */
const pieceTokens = 2 ** 20

/** The manifest of a split: it covers the text, the tokenizer and what is held out. */
export function dataManifest({ train, heldOut, vocabulary }: TokenSplit): DataManifest {
  const hasher = new ContentHasher((train.length + heldOut.length) * Uint16Array.BYTES_PER_ELEMENT)
  for (const tokens of [train, heldOut]) {
    for (let start = 0; start < tokens.length; start += pieceTokens) {
      const piece = tokens.slice(start, start + pieceTokens)
      hasher.update(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength))
    }
  }
  return {
    content: hasher.name(),
    vocabulary,
    trainTokens: train.length,
    heldOutTokens: heldOut.length,
  }
}

/**
 * How this peer's data differs from the run's, in words; null if it does not.
 *
 * @param source this peer's corpus: its path, or `the built-in corpus`
 * @param runCorpus what the run's configuration calls its corpus: `builtin`, or another word
 */
export function manifestDifference(
  mine: DataManifest,
  source: string,
  run: DataManifest,
  runCorpus: string,
): string | null {
  const theirs = runCorpus === builtinName ? 'the built-in corpus' : 'a text of its founder'
  const what = differingFacts(mine, run)
  return what === null ? null : `this peer's corpus is ${source}, the run trains on ${theirs}: ${what}`
}

function differingFacts(mine: DataManifest, run: DataManifest): string | null {
  if (mine.vocabulary !== run.vocabulary) {
    return `its tokenizer has ${mine.vocabulary} tokens here and ${run.vocabulary} there`
  }
  const [here, there] = [mine, run].map(({ trainTokens, heldOutTokens }) => trainTokens + heldOutTokens)
  if (here !== there) return `${here} tokens here and ${there} there`
  if (mine.heldOutTokens !== run.heldOutTokens) {
    return `${mine.heldOutTokens} tokens are held out here and ${run.heldOutTokens} there`
  }
  if (mine.content === run.content) return null
  return `as long, but other text (${mine.content.slice(0, 12)} here, ${run.content.slice(0, 12)} there)`
}
