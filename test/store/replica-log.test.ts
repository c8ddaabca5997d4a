// A replica's log: what is kept, replaced, forgotten, refused.
import assert from 'node:assert/strict'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Journal } from '../../src/store/journal.js'
import { journalOf } from '../../src/store/journal-format.js'
import { recordOf } from '../../src/store/replica-records.js'
import { withFolder, withHandleMethod, withRoomFor } from './folders.js'
import { codec, entry, hard, nothing, open, reopened } from './logs.js'

describe("A replica's log", () => {
  it('holds nothing at first', () =>
    withFolder(async (folder) => {
      assert.deepEqual(await reopened(join(folder, 'peer', 'log')), nothing)
    }))

  it('gives back the latest term and vote, and all entries', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'log')
      const { log } = await open(path)
      await log.persist(hard(1), [entry(1, 1)])
      await log.persist(null, [entry(2, 1), entry(3, 1)])
      await log.persist(hard(2, null), [])
      await log.persist(null, [])
      await log.close()
      assert.deepEqual(await reopened(path), {
        ...nothing,
        hard: hard(2, null),
        entries: [entry(1, 1), entry(2, 1), entry(3, 1)],
      })
    }))

  it('forgets the entries from one that is replaced on', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'log')
      const { log } = await open(path)
      await log.persist(hard(1), [entry(1, 1), entry(2, 1), entry(3, 1), entry(4, 1)])
      await log.persist(hard(2), [entry(2, 2)])
      await log.close()
      assert.deepEqual((await reopened(path)).entries, [entry(1, 1), entry(2, 2)])
    }))

  it('begins after the snapshot to which it is compacted, and takes less room', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'log')
      const { log } = await open(path)
      const entries = Array.from({ length: 30 }, (_, i) => entry(i + 1, 1))
      await log.persist(hard(1), entries)
      const before = (await stat(path)).size
      await log.compact({ index: 29, term: 1 })
      assert((await stat(path)).size < before / 2)
      await log.persist(null, [entry(31, 1)])
      await log.close()
      assert.deepEqual(await reopened(path), {
        hard: hard(1),
        base: { index: 29, term: 1 },
        entries: [entry(30, 1), entry(31, 1)],
      })
      assert.deepEqual(await readdir(folder), ['log'])
    }))

  it('begins anew after a snapshot that is ahead of it, or of another history', () =>
    withFolder(async (folder) => {
      for (const base of [
        { index: 9, term: 2 },
        { index: 2, term: 2 },
      ]) {
        const path = join(folder, `log-${base.index}`)
        const { log } = await open(path)
        await log.persist(hard(2), [entry(1, 1), entry(2, 1), entry(3, 1)])
        await log.compact(base)
        await log.persist(null, [entry(base.index + 1, 2)])
        await log.close()
        assert.deepEqual(await reopened(path), { hard: hard(2), base, entries: [entry(base.index + 1, 2)] })
      }
    }))

  it('refuses what does not follow, and holds what it held', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'log')
      const { log } = await open(path)
      await log.persist(hard(1), [entry(1, 1), entry(2, 1)])
      await log.compact({ index: 1, term: 1 })
      await assert.rejects(log.persist(null, [entry(4, 1)]), /entry 4 does not follow entry 2/)
      await assert.rejects(
        log.persist(hard(2), [entry(2, 2), entry(4, 2)]),
        /entry 4 does not follow entry 2/,
      )
      await assert.rejects(log.persist(null, [entry(1, 1)]), /entry 1 lies before the first of the log, 2/)
      await assert.rejects(log.compact({ index: 0, term: 0 }), /begins at entry 2: it cannot begin at 1/)
      await log.persist(null, [entry(3, 1)])
      await log.close()
      assert.deepEqual(await reopened(path), {
        hard: hard(1),
        base: { index: 1, term: 1 },
        entries: [entry(2, 1), entry(3, 1)],
      })
    }))

  it('takes nothing more once the disk was full, even what was asked for before that was known', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'log')
      const { log } = await open(path)
      await log.persist(hard(1), [entry(1, 1)])
      await withRoomFor(7, async () => {
        const refused = [
          log.persist(null, [entry(2, 1)]),
          log.persist(null, [entry(3, 1)]),
          log.compact({ index: 2, term: 1 }),
          log.persist(null, [entry(4, 1)]),
        ]
        for (const one of refused) await assert.rejects(one, /log: the disk is full/)
      })
      await assert.rejects(log.persist(null, [entry(5, 1)]), /log: the disk is full/)
      await log.close()
      assert.deepEqual(await reopened(path), { ...nothing, hard: hard(1), entries: [entry(1, 1)] })
    }))

  it('is as it was when a compaction was cut short at any byte', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'log')
      const { log } = await open(path)
      await log.persist(hard(1), [entry(1, 1), entry(2, 1)])
      await log.close()
      const before = await readFile(path)
      for (let room = 0; room < 100; room++) {
        const again = await open(path)
        await withRoomFor(room, () =>
          assert.rejects(again.log.compact({ index: 1, term: 1 }), /the disk is full/),
        )
        await again.log.close()
        assert.deepEqual(await readFile(path), before)
      }
    }))

  it('shares one fsync among the calls made while the disk is busy', () =>
    withFolder(async (folder) => {
      const { log } = await open(join(folder, 'log'))
      let syncs = 0
      const counting = (real: unknown) =>
        function (this: unknown) {
          syncs += 1
          return (real as () => Promise<void>).call(this)
        }
      await withHandleMethod('datasync', counting, async () => {
        await Promise.all(Array.from({ length: 50 }, (_, i) => log.persist(null, [entry(i + 1, 1)])))
      })
      await log.close()
      assert.equal(syncs, 2)
    }))

  it('with an entry that does not follow, or that is none, is reported with the byte', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'log')
      const first = recordOf([{ kind: 'entry', bytes: codec.encode(entry(1, 1)) }])
      const gap = recordOf([{ kind: 'entry', bytes: codec.encode(entry(3, 1)) }])
      const unknown = Uint8Array.of(9, 0, 0, 0, 0)
      for (const [record, what] of [
        [gap, 'entry 3 does not follow entry 1'],
        [recordOf([{ kind: 'entry', bytes: Uint8Array.of(123) }]), 'this is no entry'],
        [unknown, 'a part of a record has the unknown tag 9'],
        [gap.subarray(0, -1), 'a part of a record goes beyond its end'],
        [gap.subarray(0, 3), 'a part of a record goes beyond its end'],
        [Uint8Array.of(1, 2, 0, 0, 0, 123, 125), 'a record of term, vote and epoch lacks one of them'],
        [Uint8Array.of(3, 2, 0, 0, 0, 123, 125), 'a record of where the log begins lacks its index or term'],
      ] as const) {
        await writeFile(path, Buffer.concat(journalOf([first, record])))
        await assert.rejects(open(path), (error: Error) => {
          assert(error.message.includes(`${path} is damaged at byte ${28 + first.length}: `), error.message)
          assert(error.message.includes(what), error.message)
          return true
        })
      }
    }))

  it('of an earlier version is refused', () =>
    withFolder(async (folder) => {
      await writeFile(join(folder, 'log'), 'skein journal 1\n')
      await assert.rejects(open(join(folder, 'log')), /written by an earlier version of skein/)
    }))

  it('leaves nothing open when it is damaged', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'log')
      await writeFile(path, Buffer.concat(journalOf([Uint8Array.of(9, 0, 0, 0, 0)])))
      const real = Journal.prototype.close
      let closed = 0
      Journal.prototype.close = function () {
        closed += 1
        return real.call(this)
      }
      try {
        await assert.rejects(open(path))
      } finally {
        Journal.prototype.close = real
      }
      assert.equal(closed, 1)
    }))
})
