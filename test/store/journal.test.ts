// The journal: what was acknowledged is there again; what a crash cut is dropped; what rotted is named.
import assert from 'node:assert/strict'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { Journal } from '../../src/store/journal.js'
import { journalOf, readFrames } from '../../src/store/journal-format.js'
import { StoreError } from '../../src/store/store-error.js'
import { failure, withFolder, withHandleMethod, withRoomFor, withSmallDisk } from './folders.js'

const record = (text: string): Uint8Array => new TextEncoder().encode(text)
const texts = (records: readonly Uint8Array[]): string[] =>
  records.map((bytes) => new TextDecoder().decode(bytes))

/** Records in the file, opened anew. */
async function reopened(path: string): Promise<string[]> {
  const { journal, records } = await Journal.open(path)
  await journal.close()
  return texts(records)
}

describe('A journal', () => {
  it('gives back what was appended, in order', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'peer', 'journal')
      const { journal, records, torn } = await Journal.open(path)
      assert.deepEqual(records, [])
      assert.equal(torn, null)
      await journal.append([record('a'), record(''), record('c')])
      await journal.append([record('d')])
      await journal.close()
      assert.deepEqual(await reopened(path), ['a', '', 'c', 'd'])
    }))

  it('makes appends that come together durable with one fsync', () =>
    withFolder(async (folder) => {
      const { journal } = await Journal.open(join(folder, 'journal'))
      let syncs = 0
      const counting = (real: unknown) =>
        function (this: unknown) {
          syncs += 1
          return (real as () => Promise<void>).call(this)
        }
      await withHandleMethod('datasync', counting, async () => {
        await Promise.all(Array.from({ length: 100 }, (_, i) => journal.append([record(`${i}`)])))
      })
      await journal.close()
      assert(syncs <= 2, `${syncs}`)
      assert.deepEqual(
        await reopened(join(folder, 'journal')),
        Array.from({ length: 100 }, (_, i) => `${i}`),
      )
    }))

  it('is compacted at once, between the appends before and after', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'journal')
      const { journal } = await Journal.open(path)
      await Promise.all([
        journal.append([record('a')]),
        journal.rewrite([record('snapshot')]),
        journal.append([record('b')]),
        journal.append([record('c')]),
      ])
      await journal.close()
      assert.deepEqual(await reopened(path), ['snapshot', 'b', 'c'])
      assert.deepEqual(await readdir(folder), ['journal'])
    }))

  it('takes nothing after it was closed', () =>
    withFolder(async (folder) => {
      const { journal } = await Journal.open(join(folder, 'journal'))
      const pending = journal.append([record('a')])
      await journal.close()
      await pending
      await assert.rejects(journal.append([record('b')]), /is closed/)
      assert.deepEqual(await reopened(join(folder, 'journal')), ['a'])
    }))

  it('goes on after a torn record: it is reported, cut off, and overwritten', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'journal')
      const whole = Buffer.concat(journalOf([record('a'), record('bcdef')]))
      await writeFile(path, whole.subarray(0, -2))
      const { journal, records, torn } = await Journal.open(path)
      assert.deepEqual(texts(records), ['a'])
      assert.deepEqual(torn, { offset: 29, bytes: 15 })
      assert.equal((await stat(path)).size, 29)
      await journal.append([record('b')])
      await journal.close()
      assert.deepEqual(await reopened(path), ['a', 'b'])
    }))

  it('counts zeros at its end as a torn record', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'journal')
      await writeFile(path, Buffer.concat([...journalOf([record('a')]), new Uint8Array(4096)]))
      assert.deepEqual(await reopened(path), ['a'])
    }))

  it('that is damaged in its middle is refused with the file and the byte', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'journal')
      const bytes = Buffer.concat(journalOf([record('first'), record('second'), record('third')]))
      bytes[bytes.indexOf('second')] ^= 1
      await writeFile(path, bytes)
      await assert.rejects(Journal.open(path), (error: Error) => {
        assert(error.message.includes(path))
        assert.match(error.message, /damaged at byte 33: the checksum of a record is wrong/)
        return true
      })
      assert.deepEqual(await readFile(path), bytes)
    }))

  it('that is damaged in its last record is refused: that was durable once', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'journal')
      const bytes = Buffer.concat(journalOf([record('first'), record('last')]))
      bytes[bytes.length - 1] ^= 1
      await writeFile(path, bytes)
      await assert.rejects(Journal.open(path), /damaged at byte 33: the checksum of a record is wrong/)
    }))

  it('drops a last record of which the disk never wrote a sector', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'journal')
      const bytes = Buffer.concat(journalOf([record('first'), new Uint8Array(2000).fill(7)]))
      await writeFile(path, bytes.fill(0, 512, 1024))
      const { journal, records, torn } = await Journal.open(path)
      await journal.close()
      assert.deepEqual(texts(records), ['first'])
      assert.deepEqual(torn, { offset: 33, bytes: 2012 })
    }))

  it('of an earlier version is refused with what to do, and left as it is', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'journal')
      await writeFile(path, 'skein journal 1\nand its records')
      await assert.rejects(Journal.open(path), (error) => {
        assert(error instanceof StoreError)
        assert.match(error.message, /was written by an earlier version of skein/)
        assert.match(error.remedy, /start a new run from the latest checkpoint \(run\.warmStart\)/)
        return true
      })
      assert.equal(await readFile(path, 'utf8'), 'skein journal 1\nand its records')
    }))

  it('is not made of any other file', () =>
    withFolder(async (folder) => {
      await writeFile(join(folder, 'journal'), 'Dear diary, today the geese')
      await assert.rejects(Journal.open(join(folder, 'journal')), /damaged at byte 0: it is not a journal/)
    }))

  const someRecords = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 })

  it('cut at any byte gives the records before the cut', () => {
    fc.assert(
      fc.property(someRecords, fc.nat(), (records, at) => {
        const whole = Buffer.concat(journalOf(records))
        const cut = at % (whole.length + 1)
        const read = readFrames(whole.subarray(0, cut))
        assert.notEqual(read.end.kind, 'corrupt')
        const kept = read.records.length
        assert.deepEqual(
          [...read.records].map((bytes) => [...bytes]),
          records.slice(0, kept).map((bytes) => [...bytes]),
        )
        const endOf = (count: number): number => Buffer.concat(journalOf(records.slice(0, count))).length
        assert(cut < endOf(0) ? kept === 0 : endOf(kept) <= cut)
        assert(kept === records.length || cut < endOf(kept + 1))
        assert.equal(read.end.kind === 'clean', cut >= endOf(0) && cut === endOf(kept))
      }),
    )
  })

  it('with any bit flipped is found damaged, or torn in its last record alone', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 8 }),
        fc.nat(),
        fc.nat(7),
        (records, at, bit) => {
          const bytes = Buffer.concat(journalOf(records))
          bytes[at % bytes.length] ^= 1 << bit
          const { records: read, end } = readFrames(bytes)
          assert.notEqual(end.kind, 'clean')
          if (end.kind === 'torn') assert.equal(read.length, records.length - 1)
          assert.deepEqual(
            read.map((one) => [...one]),
            records.slice(0, read.length).map((one) => [...one]),
          )
        },
      ),
      { numRuns: 1000 },
    )
  })

  it('on a full disk refuses what has no room and all behind it, and goes on when opened again', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'journal')
      const { journal } = await Journal.open(path)
      await journal.append([record('a')])
      await withRoomFor(5, async () => {
        const refused = [
          journal.append([record('too much')]),
          journal.append([record('b')]),
          journal.rewrite([]),
        ]
        for (const one of refused) await assert.rejects(one, /journal: the disk is full/)
      })
      await assert.rejects(journal.append([record('c')]), /journal: the disk is full/)
      await journal.close()
      assert.deepEqual(await reopened(path), ['a'])
    }))

  it('on a real full disk loses nothing that was acknowledged', async function () {
    const mounted = await withSmallDisk(64, async (folder) => {
      const path = join(folder, 'journal')
      const { journal } = await Journal.open(path)
      let acknowledged = 0
      await assert.rejects(async () => {
        for (; ; acknowledged++) await journal.append([new Uint8Array(5000).fill(acknowledged)])
      }, /the disk is full/)
      await journal.close()
      const { journal: again, records } = await Journal.open(path)
      await again.close()
      assert(acknowledged > 3)
      assert.deepEqual(
        records.map(([first]) => first),
        Array.from({ length: acknowledged }, (_, i) => i),
      )
    })
    if (!mounted) this.skip()
  })

  it('promises nothing more after a failed fsync', () =>
    withFolder(async (folder) => {
      const { journal } = await Journal.open(join(folder, 'journal'))
      const failing = () => async () => {
        throw failure('EIO')
      }
      await withHandleMethod('datasync', failing, () =>
        assert.rejects(journal.append([record('a')]), /the device failed/),
      )
      for (const text of ['b', 'c']) await assert.rejects(journal.append([record(text)]), /the device failed/)
      await journal.close()
    }))

  it('holds what it held when a compaction has no room', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'journal')
      const { journal } = await Journal.open(path)
      await journal.append([record('a')])
      await withRoomFor(3, () => assert.rejects(journal.rewrite([]), /the disk is full/))
      await journal.close()
      assert.deepEqual(await reopened(path), ['a'])
    }))
})
