// Files that are there whole or not at all, on real disks and on full ones.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../../src/core/user-error.js'
import { createFileOnce, sweepTemporary, writeFileAtomically } from '../../src/store/atomic.js'
import { StoreError, storeError } from '../../src/store/store-error.js'
import { failure, withFolder, withHandleMethod, withSmallDisk } from './folders.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** A process that is no more. */
function deadProcess(): number {
  return spawnSync(process.execPath, ['--version']).pid
}

describe('An atomic write', () => {
  it('creates and replaces a file by its pieces, and leaves nothing else', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'a')
      await writeFileAtomically(path, [bytes('first')])
      await writeFileAtomically(path, [bytes('second '), bytes('version')])
      assert.equal(await readFile(path, 'utf8'), 'second version')
      assert.deepEqual(await readdir(folder), ['a'])
    }))

  it('keeps the old file and leaves nothing half-written when the disk is full', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'a')
      await writeFileAtomically(path, [bytes('old')])
      const noSpace = () => async () => {
        throw failure('ENOSPC')
      }
      await withHandleMethod('write', noSpace, async () => {
        await assert.rejects(writeFileAtomically(path, [bytes('new')]), (error) => {
          assert(error instanceof StoreError && error instanceof UserError)
          assert.equal(error.kind, 'storage')
          assert.equal(error.path, path)
          assert.match(error.message, /cannot write .*a: the disk is full \(ENOSPC\)/)
          assert.match(error.remedy, /free some space/)
          return true
        })
      })
      assert.equal(await readFile(path, 'utf8'), 'old')
      assert.deepEqual(await readdir(folder), ['a'])
    }))

  it('does the same on a real disk without room', async function () {
    const mounted = await withSmallDisk(64, async (folder) => {
      const path = join(folder, 'a')
      await writeFileAtomically(path, [bytes('old')])
      await assert.rejects(writeFileAtomically(path, [new Uint8Array(100_000)]), /the disk is full/)
      assert.equal(await readFile(path, 'utf8'), 'old')
      assert.deepEqual(await readdir(folder), ['a'])
      await writeFileAtomically(path, [new Uint8Array(20_000)])
    })
    if (!mounted) this.skip()
  })

  it('keeps the old file when the data cannot be made durable', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'a')
      await writeFileAtomically(path, [bytes('old')])
      const failing = () => async () => {
        throw failure('EIO')
      }
      await withHandleMethod('sync', failing, () =>
        assert.rejects(writeFileAtomically(path, [bytes('new')]), /the device failed \(EIO\)/),
      )
      assert.equal(await readFile(path, 'utf8'), 'old')
      assert.deepEqual(await readdir(folder), ['a'])
    }))

  it('goes on after the system took a part of the bytes only', () =>
    withFolder(async (folder) => {
      type Write = (
        buffer: Uint8Array,
        offset: number,
        length: number,
        position: number | null,
      ) => Promise<unknown>
      const slow = (real: unknown) =>
        function (
          this: unknown,
          buffer: Uint8Array,
          offset: number,
          length: number,
          position: number | null,
        ) {
          return (real as Write).call(this, buffer, offset, Math.min(length, 3), position)
        }
      await withHandleMethod('write', slow, () =>
        writeFileAtomically(join(folder, 'a'), [bytes('piece by piece')]),
      )
      assert.equal(await readFile(join(folder, 'a'), 'utf8'), 'piece by piece')
    }))

  it('names the path and the cause when the folder is missing', () =>
    withFolder(async (folder) => {
      await assert.rejects(
        writeFileAtomically(join(folder, 'none', 'a'), []),
        /none\/a: it does not exist \(ENOENT\)/,
      )
    }))

  it('of many at once leaves one of them whole', () =>
    withFolder(async (folder) => {
      const texts = Array.from({ length: 20 }, (_, i) => `${i}`.repeat(1000))
      await Promise.all(texts.map((text) => writeFileAtomically(join(folder, 'a'), [bytes(text)])))
      assert(texts.includes(await readFile(join(folder, 'a'), 'utf8')))
      assert.deepEqual(await readdir(folder), ['a'])
    }))
})

describe('A file created once', () => {
  it('keeps the content of the first of several', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'a')
      const texts = ['a', 'b', 'c', 'd']
      const created = await Promise.all(texts.map((text) => createFileOnce(path, bytes(text))))
      assert.equal(created.filter(Boolean).length, 1)
      assert.equal(await readFile(path, 'utf8'), texts[created.indexOf(true)])
      assert.deepEqual(await readdir(folder), ['a'])
    }))
})

describe('A sweep', () => {
  it('removes what killed writers left and nothing else', () =>
    withFolder(async (folder) => {
      const names = [
        'a',
        'a.tmp',
        `a.${deadProcess()}-1.tmp`,
        `b.${process.pid}-999999.tmp`,
        `c.${process.ppid}-1.tmp`,
      ]
      for (const name of names) await writeFile(join(folder, name), '')
      await sweepTemporary(folder)
      assert.deepEqual((await readdir(folder)).sort(), ['a', 'a.tmp', `c.${process.ppid}-1.tmp`].sort())
    }))

  it('leaves alone what this process is writing', () =>
    withFolder(async (folder) => {
      const writing = Array.from({ length: 10 }, (_, i) =>
        writeFileAtomically(join(folder, `${i}`), [bytes('x')]),
      )
      await sweepTemporary(folder)
      await Promise.all(writing)
      assert.equal((await readdir(folder)).length, 10)
    }))
})

describe('A store error', () => {
  it('is made once: passing it on changes nothing', () => {
    const first = storeError('write', '/a', failure('EACCES'))
    assert.equal(storeError('read', '/b', first), first)
    assert.match(first.message, /cannot write \/a: permission is denied \(EACCES\)/)
  })

  it('keeps the words of an unknown cause', () => {
    assert.match(storeError('read', '/a', new Error('odd')).message, /cannot read \/a: odd/)
  })
})
