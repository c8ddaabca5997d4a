// Corpora read from real files: what they hold, and what is said about broken ones.
import assert from 'node:assert/strict'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { UserError } from '../../src/core/user-error.js'
import { type Corpus, openCorpus } from '../../src/data/corpus.js'
import { withFiles } from './files.js'

const open = (corpus: string): Promise<Corpus> => openCorpus({ corpus })
const textOf = ({ text }: Corpus): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(text)
const jsonLine = (text: string): string => `${JSON.stringify({ text, url: 'https://example.org' })}\n`

async function refusal(path: string): Promise<UserError> {
  const error = await open(path).then(
    () => assert.fail(`${path} was accepted`),
    (thrown: unknown) => thrown,
  )
  assert(error instanceof UserError, String(error))
  assert.equal(error.kind, 'data')
  assert(error.remedy.length > 0)
  return error
}

async function assertRefused(path: string, ...said: RegExp[]): Promise<void> {
  const { message } = await refusal(path)
  for (const words of [...said, new RegExp(path.replaceAll('.', '\\.'))]) assert.match(message, words)
}

describe('A text file', () => {
  it('is one document, byte for byte', () =>
    withFiles({ 'a.txt': 'Gänse\r\nfliegen' }, async (folder) => {
      const corpus = await open(join(folder, 'a.txt'))
      assert.equal(textOf(corpus), 'Gänse\r\nfliegen')
      assert.deepEqual(corpus.documentStarts, [0])
      assert.deepEqual(corpus.manifest, {
        kind: 'text',
        sha256: corpus.manifest.sha256,
        bytes: 15,
        documents: 1,
      })
    }))

  it('loses its byte order mark', () =>
    withFiles({ 'a.txt': '\uFEFFgeese' }, async (folder) => {
      assert.equal(textOf(await open(join(folder, 'a.txt'))), 'geese')
    }))

  it('may be shorter than a byte order mark', () =>
    withFiles({ 'a.txt': 'a' }, async (folder) => {
      assert.equal(textOf(await open(join(folder, 'a.txt'))), 'a')
    }))

  it('may be gzipped', () =>
    withFiles({ 'a.txt.gz': gzipSync('geese') }, async (folder) => {
      assert.equal(textOf(await open(join(folder, 'a.txt.gz'))), 'geese')
    }))

  it('keeps characters that lie across the chunks of a large file', () => {
    const text = `a${'ä'.repeat(1_500_000)}`
    return withFiles({ 'a.txt': text }, async (folder) => {
      assert(textOf(await open(join(folder, 'a.txt'))) === text)
    })
  })

  it('is refused when it is missing, empty, binary or not UTF-8', () =>
    withFiles(
      {
        'empty.txt': '',
        'zero.txt': 'abc\0def',
        'latin1.txt': Buffer.from('Gänse', 'latin1'),
        'cut.txt': Buffer.from('Gä').subarray(0, 2),
      },
      async (folder) => {
        await assertRefused(join(folder, 'none.txt'), /there is no corpus/)
        await assertRefused(join(folder, 'empty.txt', 'a'), /a part of the path is a file/)
        await assertRefused(join(folder, 'empty.txt'), /is empty/)
        await assertRefused(join(folder, 'zero.txt'), /not UTF-8 text: a zero at byte 3/)
        await assertRefused(join(folder, 'latin1.txt'), /not UTF-8 text/)
        await assertRefused(join(folder, 'cut.txt'), /last character is incomplete/)
      },
    ))

  it('is refused when it cannot be read', () =>
    withFiles({}, async (folder) => {
      await symlink('loop.txt', join(folder, 'loop.txt'))
      await assertRefused(join(folder, 'loop.txt'), /cannot be read: ELOOP/)
      await assertRefused('/dev/null', /neither a file nor a folder/)
    }))
})

describe('JSON Lines', () => {
  it('give one document for each line, with an empty line after it', () =>
    withFiles(
      { 'a.jsonl': `${jsonLine('one\ntwo\n\n')}\n${jsonLine(' ')}{"text":"three"}` },
      async (folder) => {
        const corpus = await open(join(folder, 'a.jsonl'))
        assert.equal(textOf(corpus), 'one\ntwo\n\nthree\n\n')
        assert.deepEqual(corpus.documentStarts, [0, 9])
        assert.equal(corpus.manifest.kind, 'json-lines')
        assert.equal(corpus.manifest.documents, 2)
      },
    ))

  it('are the same gzipped, also in several members', () => {
    const lines = Array.from({ length: 40_000 }, (_, i) => jsonLine(`goose number ${i}, ümläut`))
    const [a, b] = [lines.slice(0, 7).join(''), lines.slice(7).join('')]
    return withFiles(
      {
        'a.jsonl': a + b,
        'b.jsonl.gz': gzipSync(a + b),
        'c.json.gz': Buffer.concat([gzipSync(a), gzipSync(b)]),
      },
      async (folder) => {
        const [plain, one, two] = await Promise.all(
          ['a.jsonl', 'b.jsonl.gz', 'c.json.gz'].map((name) => open(join(folder, name))),
        )
        assert.equal(plain.manifest.documents, 40_000)
        assert.deepEqual(one.manifest, plain.manifest)
        assert.deepEqual(two.manifest, plain.manifest)
      },
    )
  })

  it('are refused with the number of the bad line', () =>
    withFiles(
      {
        'no-text.jsonl': `${jsonLine('a')}{"body":"b"}\n`,
        'number.jsonl': '{"text":1}',
        'array.jsonl': `\n\n["text"]`,
        'not-json.jsonl': `${jsonLine('a')}hello\n`,
        'wrong-byte.jsonl': Buffer.concat([Buffer.from(jsonLine('a')), Uint8Array.of(0x22, 0xff, 0x22)]),
        'blank.jsonl': '\n\n',
      },
      async (folder) => {
        await assertRefused(join(folder, 'no-text.jsonl'), /line 2 .* no `text` string/)
        await assertRefused(join(folder, 'number.jsonl'), /line 1 .* no `text` string/)
        await assertRefused(join(folder, 'array.jsonl'), /line 3 .* no `text` string/)
        await assertRefused(join(folder, 'not-json.jsonl'), /line 2 .* is not JSON/)
        await assertRefused(join(folder, 'wrong-byte.jsonl'), /wrong byte in line 2/)
        await assertRefused(join(folder, 'blank.jsonl'), /is empty/)
      },
    ))

  it('are refused when their gzip is cut short, damaged or none', () => {
    const whole = gzipSync(Array.from({ length: 2000 }, (_, i) => jsonLine(`goose ${i}`)).join(''))
    const damaged = Buffer.from(whole)
    damaged[damaged.length >> 1] ^= 0xff
    return withFiles(
      { 'cut.jsonl.gz': whole.subarray(0, -9), 'damaged.jsonl.gz': damaged, 'plain.jsonl.gz': jsonLine('a') },
      async (folder) => {
        await assertRefused(join(folder, 'cut.jsonl.gz'), /not a whole gzip file/)
        await assertRefused(join(folder, 'damaged.jsonl.gz'), /not a whole gzip file|line \d+/)
        await assertRefused(join(folder, 'plain.jsonl.gz'), /not a whole gzip file/)
      },
    )
  })
})

describe('A folder', () => {
  it('is read in the order of its paths, hidden and binary files left out', () =>
    withFiles(
      {
        'b.txt': 'second',
        'a/z.txt': 'first\n',
        'c.jsonl': jsonLine('third'),
        '.hidden.txt': 'no',
        'image.png': Uint8Array.of(0x89, 0x50, 0, 0),
        'empty.txt': '',
      },
      async (folder) => {
        const corpus = await open(folder)
        assert.equal(textOf(corpus), 'first\n\nsecond\nthird\n\n\n')
        assert.deepEqual(corpus.skipped, [join(folder, 'image.png')])
        assert.equal(corpus.manifest.kind, 'folder')
        assert.equal(corpus.manifest.documents, 3)
      },
    ))

  it('may hold links that lead back to it', () =>
    withFiles({ 'a/a.txt': 'geese' }, async (folder) => {
      await symlink(folder, join(folder, 'a', 'back'))
      assert.equal(textOf(await open(folder)), 'geese\n')
    }))

  it('is refused when nothing in it is usable', () =>
    withFiles({ 'full/image.png': Uint8Array.of(0, 1), 'empty/.hidden': 'x' }, async (folder) => {
      await assertRefused(join(folder, 'full'), /its 1 files are binary/)
      await assertRefused(join(folder, 'empty'), /no files but hidden or empty ones/)
    }))

  it('is refused with the name of a broken file in it', () =>
    withFiles({ 'a.txt': 'fine', 'b.jsonl': 'broken' }, async (folder) => {
      const { message } = await refusal(folder)
      assert(message.includes(join(folder, 'b.jsonl')), message)
    }))
})
