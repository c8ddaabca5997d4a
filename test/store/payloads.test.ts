// Payloads by their hash, and what becomes of those that rotted.
import assert from 'node:assert/strict'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hash } from '../../src/core/ids.js'
import { contentName } from '../../src/platform/content-name.js'
import { PayloadStore } from '../../src/store/payloads.js'
import { flipBit, withFolder, withRoomFor, withSmallDisk } from './folders.js'

const bytes = Uint8Array.from({ length: 3000 }, (_, i) => i)
const name = contentName(bytes)
const never = (message: string): never => assert.fail(message)

describe('The payload store', () => {
  it('puts, gets, lists and deletes by hash', () =>
    withFolder(async (folder) => {
      const payloads = join(folder, 'payloads')
      const store = await PayloadStore.open(payloads, never)
      assert.equal(await store.get(name), null)
      await Promise.all([store.put(name, bytes), store.put(name, bytes)])
      await store.put(name, bytes)
      assert.deepEqual(await store.get(name), bytes)
      assert.deepEqual(await (await PayloadStore.open(payloads, never)).list(), [name])
      await store.delete(name)
      await store.delete(name)
      assert.deepEqual(await store.list(), [])
      assert.deepEqual(await readdir(payloads), [])
    }))

  it('sets a damaged payload aside, says so once, and holds it again when it is put anew', () =>
    withFolder(async (folder) => {
      const warnings: string[] = []
      const store = await PayloadStore.open(folder, (message) => warnings.push(message))
      await store.put(name, bytes)
      await flipBit(join(folder, name), 100)
      assert.deepEqual(await Promise.all([store.get(name), store.get(name)]), [null, null])
      assert.equal(warnings.length, 1)
      assert(warnings[0].includes(`${join(folder, name)} is damaged: its content has the name`))
      assert.deepEqual(await store.list(), [])
      assert.deepEqual(await readdir(folder), [`${name}.damaged`])
      await store.put(name, bytes)
      assert.deepEqual(await store.get(name), bytes)
      await store.delete(name)
      assert.deepEqual(await readdir(folder), [])
    }))

  it('holds a damaged payload that is put anew while it is read', () =>
    withFolder(async (folder) => {
      const store = await PayloadStore.open(folder, () => {})
      for (let i = 0; i < 20; i++) {
        await writeFile(join(folder, name), bytes.subarray(0, i))
        const [first] = await Promise.all([
          store.get(name),
          store.get(name).then(() => store.put(name, bytes)),
        ])
        assert(first === null || first.length === bytes.length)
        assert.deepEqual(await store.get(name), bytes)
      }
    }))

  it('goes on with a payload after a failure of it', () =>
    withFolder(async (folder) => {
      const store = await PayloadStore.open(folder, never)
      await withRoomFor(100, () => assert.rejects(store.put(name, bytes), /the disk is full/))
      assert.equal(await store.get(name), null)
      await store.put(name, bytes)
      assert.deepEqual(await store.get(name), bytes)
    }))

  it('refuses what has no room on a real full disk', async function () {
    const mounted = await withSmallDisk(64, async (folder) => {
      const store = await PayloadStore.open(folder, never)
      const large = new Uint8Array(100_000)
      await assert.rejects(store.put(contentName(large), large), (error: Error & { remedy: string }) => {
        assert.match(error.message, /cannot write .*: the disk is full \(ENOSPC\)/)
        assert.match(error.remedy, /free some space/)
        return true
      })
      assert.deepEqual(await readdir(folder), [])
    })
    if (!mounted) this.skip()
  })

  it('lists no other files and takes no other names', () =>
    withFolder(async (folder) => {
      await mkdir(join(folder, 'a'.repeat(64).toUpperCase()))
      const store = await PayloadStore.open(folder, never)
      assert.deepEqual(await store.list(), [])
      await assert.rejects(store.get(hash('../key')), RangeError)
      await assert.rejects(store.put(hash('../key'), bytes), RangeError)
    }))
})
