// Cuts the held-out part from a corpus: several blocks spread over it, ending where documents or lines end.
import { shardSizes } from '../outer/batches.js'
import type { TokenSplit } from '../ports/trainer.js'
import type { Corpus } from './corpus.js'
import { dataError } from './data-error.js'
import type { Tokenizer } from './tokenizer.js'

export interface SplitOptions {
  /** Share of the corpus held out, in (0, 0.5]. */
  readonly heldOut: number
  readonly shards: number
  /** Sequence length T. */
  readonly context: number
}

/** A part of the text, [begin, end), in bytes. */
interface Range {
  readonly begin: number
  readonly end: number
}

/** More blocks are more representative; this many cost little at their seams. */
const mostBlocks = 20
/** A block holds at least this many sequences, so that few of them run over a seam. */
const sequencesPerBlock = 8
/** Fractional part of the golden ratio: multiples of it are spread evenly, and in step with no period of a text. */
const goldenFraction = (Math.sqrt(5) - 1) / 2
const newline = 0x0a

/**
 * Tokens of a corpus in two parts without a common byte, on shared memory. A function of its arguments alone.
 *
 * @throws UserError if a part is too short for its sequences or shards
 */
export function splitCorpus(corpus: Corpus, tokenizer: Tokenizer, options: SplitOptions): TokenSplit {
  const heldOut = heldOutRanges(corpus, options)
  const held = tokensOf(corpus.text, heldOut, tokenizer)
  const train = tokensOf(corpus.text, rest(heldOut, corpus.text.length), tokenizer)
  checkLengths(corpus, train.length, held.length, options)
  return { train, heldOut: held, vocabulary: tokenizer.vocabulary }
}

function checkLengths(
  { source, text }: Corpus,
  train: number,
  held: number,
  { shards, context }: SplitOptions,
): void {
  const sequence = context + 1
  if (train < sequence || held < sequence) {
    throw dataError(
      `${source} is too short: its ${text.length} bytes give ${train} training and ${held} held-out tokens, and a sequence takes ${sequence}`,
      'use a larger corpus, a larger held-out share (run.data.heldOut), or a shorter context (run.model.context)',
    )
  }
  shardSizes(train, shards, context)
}

/**
 * One block in each of several equal regions of the text, in ascending order. They are disjoint: a block starts at
 * most 0.382 (region - block) nearer its region's start than the one before, and at most half of the text is held out,
 * so that 0.618 block or more lies between two of them, and a cut moves by a quarter block only.
 */
function heldOutRanges(corpus: Corpus, { heldOut, context }: SplitOptions): Range[] {
  const { length } = corpus.text
  const wanted = length * heldOut
  const blocks = Math.max(1, Math.min(mostBlocks, Math.floor(wanted / (sequencesPerBlock * (context + 1)))))
  const region = length / blocks
  const block = wanted / blocks
  const cut = boundaryFinder(corpus, block / 4)
  return Array.from({ length: blocks }, (_, i) => {
    const place = ((i + 1) * goldenFraction) % 1
    const begin = i * region + place * (region - block)
    return { begin: cut(begin), end: cut(begin + block) }
  })
}

/**
 * Finds where to cut near a place: at the nearest document start, else line start, within `tolerance` bytes; else
 * between two characters.
 */
function boundaryFinder({ text, documentStarts }: Corpus, tolerance: number): (place: number) => number {
  const lineStarts = (place: number): number[] => {
    const low = Math.max(0, Math.floor(place - tolerance) - 1)
    const before = text.subarray(low, place).lastIndexOf(newline)
    const after = text.subarray(place, Math.ceil(place + tolerance)).indexOf(newline)
    return [before < 0 ? [] : [low + before + 1], after < 0 ? [] : [place + after + 1]].flat()
  }
  return (exact) => {
    const place = Math.round(exact)
    const near = (candidates: readonly number[]): number | undefined =>
      candidates
        .filter((candidate) => Math.abs(candidate - place) <= tolerance)
        .sort((a, b) => Math.abs(a - place) - Math.abs(b - place))[0]
    return near(around(documentStarts, place)) ?? near(lineStarts(place)) ?? characterStart(text, place)
  }
}

/** The last of ascending values at or below a place, and the next one. */
function around(ascending: readonly number[], place: number): number[] {
  let low = 0
  let high = ascending.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (ascending[middle] <= place) low = middle + 1
    else high = middle
  }
  return ascending.slice(Math.max(0, low - 1), low + 1)
}

/** Back to the first byte of a UTF-8 character. */
function characterStart(text: Uint8Array, place: number): number {
  let start = place
  while (start > 0 && start < text.length && (text[start] & 0xc0) === 0x80) start -= 1
  return start
}

/** What ascending, disjoint ranges leave of [0, length). */
function rest(ranges: readonly Range[], length: number): Range[] {
  const begins = [0, ...ranges.map(({ end }) => end)]
  const ends = [...ranges.map(({ begin }) => begin), length]
  return begins.map((begin, i) => ({ begin, end: ends[i] }))
}

function tokensOf(text: Uint8Array, ranges: readonly Range[], tokenizer: Tokenizer): Uint16Array {
  const pieces = ranges.map(({ begin, end }) => tokenizer.encode(text.subarray(begin, end)))
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
  const tokens = new Uint16Array(new SharedArrayBuffer(length * Uint16Array.BYTES_PER_ELEMENT))
  let offset = 0
  for (const piece of pieces) {
    tokens.set(piece, offset)
    offset += piece.length
  }
  return tokens
}
