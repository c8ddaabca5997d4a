// The built-in corpus: the same everywhere, large enough, and worth learning.
import assert from 'node:assert/strict'
import { openCorpus } from '../../src/data/corpus.js'
import { heNames, sheNames } from '../../src/data/stories/words.js'
import { stories, story } from '../../src/data/stories.js'

const told = stories()
const text = told.join('\n')

describe('The built-in corpus', () => {
  it('has the same bytes on every machine', async () => {
    const { manifest } = await openCorpus({ corpus: 'builtin' })
    assert.equal(manifest.sha256, '6f29bf741f3c779b1b63938b9d0a69d826b88a7b0e4b27166ffa1af2dd47f601')
    assert.equal(manifest.kind, 'builtin')
    assert.equal(manifest.documents, told.length)
    assert(manifest.bytes >= 2_000_000)
  })

  it('is another one with another seed', async () => {
    const [a, b] = await Promise.all([
      openCorpus({ corpus: 'builtin' }, 1),
      openCorpus({ corpus: 'builtin' }, 2),
    ])
    assert.notEqual(a.manifest.sha256, b.manifest.sha256)
  })

  it('tells no story twice', () => {
    assert.equal(new Set(told).size, told.length)
  })

  it('leaves no template unfilled and is plain ASCII', () => {
    const odd = text.match(/.{0,20}([{}|]|undefined|NaN| {2}| \.| ,|[^\n\x20-\x7e])/g) ?? []
    assert.deepEqual([...new Set(odd)].slice(0, 10), [])
  })

  it('begins every line with a capital or a quotation mark and ends it like a sentence', () => {
    const odd = text.split('\n').filter((line) => line !== '' && !/^["A-Z].*[.!?:"]$/.test(line))
    assert.deepEqual(odd, [])
  })

  it('has the right article before every vowel', () => {
    const wrong = text.match(/\ba ([aeiou]\w*|honest)\b/g) ?? []
    assert.deepEqual([...new Set(wrong)], [])
    const wrongAn = text.match(/\ban (?!honest)[^aeiou ]\w*/g) ?? []
    assert.deepEqual([...new Set(wrongAn)], [])
  })

  it('uses several hundred words', () => {
    assert(new Set(text.toLowerCase().match(/[a-z]+/g)).size > 700)
  })

  it('counts right: a song goes down by one, a market by what was sold', () => {
    const numbers = ['no', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten']
    const verses = [
      ...text.matchAll(/^(\w+) \w+ .*; one went home for .*, and then there were? ?(?:was )?(\w+) /gm),
    ]
    assert(verses.length > 100)
    for (const [verse, before, after] of verses) {
      const next = after === 'was' ? 'one' : after
      assert.equal(numbers.indexOf(before.toLowerCase()), numbers.indexOf(next) + 1, verse)
    }
  })

  it('counts right: what is left at the market is what was there less what was taken', () => {
    const words = /(\w+) [\w ]+ to the market|(?:took|bought) (\w+) [\w ]+\. (?:Now|Then|After that) (\w+) /g
    const numbers =
      'no one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty'
    const value = (word: string): number => numbers.split(' ').indexOf(word)
    const markets = told.filter((tale) => tale.includes(' to the market of '))
    assert(markets.length > 50)
    for (const tale of markets) {
      const start = /(?:took|carried|brought) (\w+) [\w ]+ to the market/.exec(tale)!
      let left = value(start[1])
      for (const [, , taken, remaining] of tale.slice(start.index + start[0].length).matchAll(words)) {
        assert.equal(left - value(taken), value(remaining), tale)
        left = value(remaining)
      }
    }
  })

  it('gives every name one pronoun', () => {
    assert.deepEqual(
      sheNames.filter((name) => heNames.includes(name)),
      [],
    )
    for (const [sentence, name, pronoun] of text.matchAll(
      /(?:called|named|name of) (\w+)\. (She|He) lived/g,
    )) {
      assert.equal(pronoun, sheNames.includes(name) ? 'She' : 'He', sentence)
    }
  })

  it('has the hero look for the very thing that was lost', () => {
    for (const tale of told.slice(0, 300)) {
      const found = /had an? (\w+ \w+)\. \w+ kept it/.exec(tale)
      if (found !== null) assert(tale.includes(`Have you seen my ${found[1]}?`), tale)
    }
  })

  it('makes each story a function of seed and number', () => {
    assert.equal(story(7, 11), story(7, 11))
    assert.notEqual(story(7, 11), story(7, 12))
    assert.notEqual(story(7, 11), story(8, 11))
  })

  it('rewards a model that looks further back', () => {
    const [unigram, bigram, trigram] = [1, 2, 3].map((order) =>
      conditionalEntropy(text.slice(0, 500_000), order),
    )
    assert(unigram - bigram > 0.5, `${unigram} ${bigram}`)
    assert(bigram - trigram > 0.5, `${bigram} ${trigram}`)
  })
})

/** nats per byte of the last of `order` bytes, given those before it. */
function conditionalEntropy(sample: string, order: number): number {
  const counts = new Map<string, number>()
  const contexts = new Map<string, number>()
  const add = (map: Map<string, number>, key: string): unknown => map.set(key, (map.get(key) ?? 0) + 1)
  const total = sample.length - order + 1
  for (let i = 0; i < total; i++) {
    add(counts, sample.slice(i, i + order))
    add(contexts, sample.slice(i, i + order - 1))
  }
  let entropy = 0
  for (const [key, n] of counts) entropy -= (n / total) * Math.log(n / contexts.get(key.slice(0, -1))!)
  return entropy
}
