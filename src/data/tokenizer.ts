// Text to token ids and back. For now one tokenizer: a token is a byte of UTF-8.
import type { DataConfig } from '../swarmfile/schema.js'

export interface Tokenizer {
  readonly name: DataConfig['tokenizer']
  readonly vocabulary: number
  /** Token ids of a text; bytes are taken as UTF-8. */
  encode(text: string | Uint8Array): Uint16Array
  /**
   * Text of token ids. What is not UTF-8, such as half a character, becomes U+FFFD.
   *
   * @throws RangeError on an id outside the vocabulary
   */
  decode(ids: Iterable<number>): string
}

const byteVocabulary = 256

const byteTokenizer: Tokenizer = {
  name: 'byte',
  vocabulary: byteVocabulary,
  encode: (text) => Uint16Array.from(typeof text === 'string' ? new TextEncoder().encode(text) : text),
  decode(ids) {
    const bytes = Uint8Array.from(ids, (id) => {
      if (Number.isInteger(id) && id >= 0 && id < byteVocabulary) return id
      throw new RangeError(`token ${id} is not a byte`)
    })
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  },
}

export function openTokenizer(name: DataConfig['tokenizer']): Tokenizer {
  switch (name) {
    case 'byte':
      return byteTokenizer
  }
}
