// The held-out part: disjoint from the training part, spread, cut at boundaries, the same every time.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { UserError } from '../../src/core/user-error.js'
import { type Corpus, openCorpus } from '../../src/data/corpus.js'
import { dataManifest, manifestDifference } from '../../src/data/manifest.js'
import { splitCorpus } from '../../src/data/split.js'
import { openTokenizer } from '../../src/data/tokenizer.js'

const tokenizer = openTokenizer('byte')

function corpusOf(documents: readonly string[]): Corpus {
  const texts = documents.map((document) => new TextEncoder().encode(document))
  const text = Buffer.concat(texts)
  const starts = texts.map((_, i) => texts.slice(0, i).reduce((sum, { length }) => sum + length, 0))
  return {
    text,
    documentStarts: starts,
    manifest: { kind: 'text', sha256: '', bytes: text.length, documents: documents.length },
    source: 'books/geese.txt',
    skipped: [],
  }
}

/** A text whose every line names itself. */
const lines = (count: number): string =>
  Array.from({ length: count }, (_, i) => `line ${i} of the text\n`).join('')
const numbersOf = (tokens: Uint16Array): number[] =>
  [...tokenizer.decode(tokens).matchAll(/line (\d+) of the text\n/g)].map(([, number]) => Number(number))

describe('The held-out part', () => {
  const options = { heldOut: 0.05, shards: 4, context: 64 }
  const corpus = corpusOf([lines(20_000)])
  const split = splitCorpus(corpus, tokenizer, options)

  it('is disjoint from the training part, and both together are the corpus', () => {
    const all = [...numbersOf(split.train), ...numbersOf(split.heldOut)]
    assert.equal(all.length, 20_000)
    assert.equal(new Set(all).size, 20_000)
    assert.equal(split.train.length + split.heldOut.length, corpus.text.length)
  })

  it('has the size asked for', () => {
    const share = split.heldOut.length / corpus.text.length
    assert(Math.abs(share - 0.05) < 0.005, `${share}`)
  })

  it('comes from all over the corpus', () => {
    const tenths = new Set(numbersOf(split.heldOut).map((number) => Math.floor(number / 2000)))
    assert.equal(tenths.size, 10)
  })

  it('is the same every time', () => {
    assert.deepEqual(splitCorpus(corpus, tokenizer, options).heldOut, split.heldOut)
  })

  it('lies on shared memory, like the training part', () => {
    assert(split.train.buffer instanceof SharedArrayBuffer)
    assert(split.heldOut.buffer instanceof SharedArrayBuffer)
    assert.equal(split.vocabulary, 256)
  })

  it('consists of whole documents where they are short', () => {
    const documents = Array.from({ length: 3000 }, (_, i) => `<${i}>\nA line.\nAnother line.\n</${i}>\n`)
    const { heldOut } = splitCorpus(corpusOf(documents), tokenizer, options)
    const text = tokenizer.decode(heldOut)
    assert.match(text, /^<\d+>\n/)
    assert.equal(
      [...text.matchAll(/<(\d+)>\nA line\.\nAnother line\.\n<\/\1>\n/g)].map(([all]) => all).join(''),
      text,
    )
  })

  it('cuts no character in two where there are no lines', () => {
    const { train, heldOut } = splitCorpus(corpusOf(['€'.repeat(50_000)]), tokenizer, options)
    assert(![train, heldOut].some((tokens) => tokenizer.decode(tokens).includes('\uFFFD')))
  })

  it('loses and repeats nothing, whatever the corpus and the share', () => {
    const anything = fc.array(fc.string({ unit: 'binary', minLength: 1, maxLength: 200 }), {
      minLength: 5,
      maxLength: 60,
    })
    fc.assert(
      fc.property(anything, fc.double({ min: 0.05, max: 0.5, noNaN: true }), (documents, heldOut) => {
        const made = corpusOf([...documents, lines(40)])
        const parts = splitCorpus(made, tokenizer, { heldOut, shards: 1, context: 4 })
        const sorted = (tokens: Iterable<number>): Uint8Array => Uint8Array.from(tokens).sort()
        assert.deepEqual(sorted([...parts.train, ...parts.heldOut]), sorted(made.text))
      }),
    )
  })

  it('is refused when the corpus is shorter than a sequence or too short for its shards', () => {
    const short = corpusOf([lines(20)])
    const cut = (shards: number, context: number) => () =>
      splitCorpus(short, tokenizer, { heldOut: 0.1, shards, context })
    const says = (words: RegExp) => (error: unknown) =>
      error instanceof UserError && words.test(error.message)
    assert.throws(cut(1, 512), says(/geese\.txt is too short/))
    assert.throws(cut(40, 30), says(/40 shards/))
  })
})

describe('The byte tokenizer', () => {
  it('gives any text back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const wellFormed = Buffer.from(text).toString()
        assert.equal(tokenizer.decode(tokenizer.encode(text)), wellFormed)
      }),
    )
  })

  it('shows half a character as a replacement character', () => {
    assert.equal(tokenizer.decode([0x67, 0xc3]), 'g\uFFFD')
  })

  it('refuses ids that are no bytes', () => {
    assert.throws(() => tokenizer.decode([256]), RangeError)
  })
})

describe('A data manifest', () => {
  const options = { heldOut: 0.05, shards: 1, context: 16 }
  const of = (text: string, heldOut = 0.05) =>
    dataManifest(splitCorpus(corpusOf([text]), tokenizer, { ...options, heldOut }))
  const run = of(lines(1000))

  it('is equal for equal data', () => {
    assert.deepEqual(of(lines(1000)), run)
    assert.equal(manifestDifference(of(lines(1000)), 'a.txt', run, 'b.txt'), null)
  })

  it('tells in words what differs', () => {
    const other = manifestDifference(of(lines(1001)), 'a.txt', run, 'builtin')
    assert.match(
      other!,
      /this peer's corpus is a\.txt, the run trains on the built-in corpus: .* tokens here/,
    )
    const sameLength = manifestDifference(of(lines(1000).replaceAll('text', 'test')), 'a.txt', run, 'file')
    assert.match(sameLength!, /a text of its founder: as long, but other text/)
    assert.match(manifestDifference(of(lines(1000), 0.1), 'a.txt', run, 'file')!, /are held out here/)
    assert.match(
      manifestDifference({ ...run, vocabulary: 512 }, 'a', run, 'b')!,
      /tokenizer has 512 tokens here/,
    )
  })

  it('of the built-in corpus needs no file', async () => {
    const corpus = await openCorpus({ corpus: 'builtin' })
    const split = splitCorpus(corpus, tokenizer, { heldOut: 0.05, shards: 8, context: 64 })
    assert.equal(dataManifest(split).trainTokens + split.heldOut.length, corpus.manifest.bytes)
  })
})
