// The thread that verifies chunks and writes them: what it writes, what it does not, and what it says.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hash } from '../../src/core/ids.js'
import { ChunkThread } from '../../src/network/bulk/chunk-thread.js'
import { sha256 } from '../../src/platform/sha256.js'

const chunkOf = (...values: number[]) => Uint8Array.from(values)

describe('The thread of chunks', () => {
  let folder: string
  let path: string
  let thread: ChunkThread
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'skein-chunks-'))
    path = join(folder, 'content.part')
    await writeFile(path, Uint8Array.of(9, 9, 9, 9, 9, 9))
    thread = new ChunkThread()
  })
  afterEach(async () => {
    thread.close()
    await rm(folder, { recursive: true })
  })

  it('writes the right chunk to its place, and gives its memory back', async () => {
    const chunk = chunkOf(1, 2, 3)
    const expected = sha256(chunk)
    const taken = await thread.take({ chunk, expected, path, position: 2 })
    assert.deepEqual([[...taken.chunk], taken.hash], [[1, 2, 3], expected])
    assert.equal(chunk.byteLength, 0, 'it was not copied')
    assert.deepEqual([...(await readFile(path))], [9, 9, 1, 2, 3, 9])
  })

  it('does not write another one, and says what it is', async () => {
    const chunk = chunkOf(1, 2, 3)
    const is = sha256(chunk)
    const taken = await thread.take({ chunk, expected: hash('0'.repeat(64)), path, position: 0 })
    assert.equal(taken.hash, is)
    assert.deepEqual([...(await readFile(path))], [9, 9, 9, 9, 9, 9])
  })

  it('says what the disk says, and goes on', async () => {
    const expected = sha256(chunkOf(1))
    const missing = { chunk: chunkOf(1), expected, path: join(folder, 'missing', 'part'), position: 0 }
    await assert.rejects(thread.take(missing), /ENOENT.*missing/)
    await thread.take({ chunk: chunkOf(1), expected, path, position: 0 })
    assert.equal((await readFile(path))[0], 1)
  })

  it('opens a file anew that was released, for another may have its name by then', async () => {
    const expected = sha256(chunkOf(1))
    const task = () => ({ chunk: chunkOf(1), expected, path, position: 0 })
    await thread.take(task())
    thread.release(path)
    await rm(path)
    await writeFile(path, Uint8Array.of(8))
    await thread.take(task())
    assert.equal((await readFile(path))[0], 1)
  })

  it('takes no more once it is closed, and leaves nobody waiting', async () => {
    const task = { chunk: chunkOf(1), expected: sha256(chunkOf(1)), path, position: 0 }
    const waiting = thread.take(task)
    thread.close()
    await assert.rejects(waiting, /the network is closed/)
    await assert.rejects(async () => thread.take({ ...task, chunk: chunkOf(1) }), /the network is closed/)
  })
})
