// Collects the documents of a corpus in one growing buffer.
import { dataError } from './data-error.js'

/** A corpus is held in memory, at three bytes for each of text; a larger one would not fit beside the model. */
const maxCorpusBytes = 2 ** 30
const firstBytes = 2 ** 20

export interface CollectedText {
  readonly text: Uint8Array
  /** Where each document starts, in bytes, ascending. */
  readonly documentStarts: readonly number[]
}

export class TextBuilder {
  private buffer = new Uint8Array(firstBytes)
  private length = 0
  private readonly starts: number[] = []

  /** @param source named in the error when it grows too large */
  constructor(private readonly source: string) {}

  get bytes(): number {
    return this.length
  }

  /** The next bytes belong to a new document; called twice in a row, it starts one only. */
  startDocument(): void {
    if (this.starts.at(-1) !== this.length) this.starts.push(this.length)
  }

  /** @throws UserError if the corpus grows too large */
  append(bytes: Uint8Array): void {
    const needed = this.length + bytes.length
    if (needed > maxCorpusBytes) {
      throw dataError(
        `the corpus ${this.source} has more than ${maxCorpusBytes / 2 ** 20} MiB of text, which is what a peer holds in memory`,
        'pass a part of it, such as one of its files, with --corpus',
      )
    }
    if (needed > this.buffer.length) this.grow(needed)
    this.buffer.set(bytes, this.length)
    this.length = needed
  }

  private grow(needed: number): void {
    const larger = new Uint8Array(Math.min(maxCorpusBytes, Math.max(needed, 2 * this.buffer.length)))
    larger.set(this.buffer.subarray(0, this.length))
    this.buffer = larger
  }

  /** The text collected, as a view: nothing may be appended afterwards. */
  finish(): CollectedText {
    if (this.starts.at(-1) === this.length) this.starts.pop()
    return { text: this.buffer.subarray(0, this.length), documentStarts: this.starts }
  }
}
