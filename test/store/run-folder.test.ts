// Whose folder is whose: of runs, of peers, and who may write there.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../../src/core/user-error.js'
import { loadOrCreateKey } from '../../src/store/identity.js'
import { lockPeer } from '../../src/store/peer-lock.js'
import { processIdentity } from '../../src/store/process-identity.js'
import { chooseRunFolder } from '../../src/store/run-folder.js'
import { peerPaths, runPaths } from '../../src/store/run-paths.js'
import { withFolder } from './folders.js'

const fresh = { name: 'trio', out: null, resume: false }
const says = (words: RegExp) => (error: unknown) =>
  error instanceof UserError && words.test(`${error.message}; ${error.remedy}`)

describe('The folder of a new run', () => {
  it('is runs/<name>, then runs/<name>-2, and so on', () =>
    withFolder(async (folder) => {
      const base = join(folder, 'runs')
      assert.deepEqual(chooseRunFolder(fresh, base), { folder: join(base, 'trio'), note: null })
      const second = chooseRunFolder(fresh, base)
      assert.equal(second.folder, join(base, 'trio-2'))
      assert.match(second.note!, /trio holds an earlier run; this one is kept in .*trio-2/)
      assert.equal(chooseRunFolder({ ...fresh, name: 'solo' }, base).folder, join(base, 'solo'))
    }))

  it('is --out where that is missing or empty, and refused where it is not', () =>
    withFolder(async (folder) => {
      const out = join(folder, 'a', 'b')
      assert.deepEqual(chooseRunFolder({ ...fresh, out }), { folder: out, note: null })
      assert.equal(chooseRunFolder({ ...fresh, out }).folder, out)
      await writeFile(join(out, 'events.jsonl'), '')
      assert.throws(() => chooseRunFolder({ ...fresh, out }), says(/is not empty.*--resume.*--out/))
    }))

  it('is refused where a file is in the way', () =>
    withFolder(async (folder) => {
      await writeFile(join(folder, 'file'), '')
      assert.throws(
        () => chooseRunFolder({ ...fresh, out: join(folder, 'file') }),
        says(/a file, not a folder/),
      )
    }))
})

describe('The folder of a resumed run', () => {
  it('is the newest of its name, or --out', () =>
    withFolder(async (folder) => {
      for (const name of ['trio', 'trio-2', 'trio-10', 'trio-old', 'trio-1', 'trio-three-11']) {
        await mkdir(join(folder, name))
      }
      await writeFile(join(folder, 'trio', 'genesis.json'), '')
      const resume = { ...fresh, resume: true }
      assert.equal(chooseRunFolder(resume, folder).folder, join(folder, 'trio-10'))
      assert.equal(chooseRunFolder({ ...resume, out: join(folder, 'trio') }).folder, join(folder, 'trio'))
    }))

  it('is refused where there is nothing to resume', () =>
    withFolder(async (folder) => {
      const resume = { ...fresh, resume: true }
      assert.throws(() => chooseRunFolder(resume, join(folder, 'runs')), says(/no run trio to resume/))
      assert.throws(
        () => chooseRunFolder({ ...resume, out: join(folder, 'x') }),
        says(/no run to resume in .*x/),
      )
    }))
})

describe('The paths of a run', () => {
  it('are all below its folder, those of a peer below its own', () => {
    assert.equal(runPaths('r').events, join('r', 'events.jsonl'))
    const { above, ...own } = peerPaths('r', 'ada')
    const paths: string[] = [...Object.values(own), ...Object.values(above)]
    assert(paths.every((path) => path.startsWith(join('r', 'peers', 'ada'))))
    assert.equal(new Set(paths).size, paths.length)
  })
})

describe("A peer's lock", () => {
  it('is held by one process at a time', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'peers', 'alice', 'lock')
      const lock = await lockPeer(path, 'alice')
      await assert.rejects(
        lockPeer(path, 'alice'),
        says(new RegExp(`alice already runs as process ${process.pid}`)),
      )
      await lock.release()
      await (await lockPeer(path, 'alice')).release()
      assert.deepEqual(await readdir(join(folder, 'peers', 'alice')), [])
    }))

  it('of another living process is respected, and taken over once that is dead', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'lock')
      const other = spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
        stdio: ['pipe', 'ignore', 'ignore'],
      })
      await once(other, 'spawn')
      await writeFile(path, JSON.stringify({ pid: other.pid, identity: processIdentity(other.pid!) }))
      await assert.rejects(
        lockPeer(path, 'bob'),
        says(new RegExp(`bob already runs as process ${other.pid}`)),
      )
      other.kill('SIGKILL')
      await once(other, 'exit')
      await (await lockPeer(path, 'bob')).release()
    }))

  it('of a dead process whose number is in use again is taken over', async function () {
    if (processIdentity(process.pid) === null) this.skip()
    await withFolder(async (folder) => {
      const path = join(folder, 'lock')
      await writeFile(path, JSON.stringify({ pid: process.pid, identity: 'another boot:1' }))
      await (await lockPeer(path, 'bob')).release()
    })
  })

  it('that names nobody is taken over', () =>
    withFolder(async (folder) => {
      for (const content of ['', 'null', '{"pid":"x"}']) {
        await writeFile(join(folder, 'lock'), content)
        await (await lockPeer(join(folder, 'lock'), 'bob')).release()
      }
    }))

  it('left by the dead goes to one of several who want it', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'lock')
      await writeFile(`${path}.takeover`, '')
      await writeFile(
        path,
        JSON.stringify({ pid: spawnSync(process.execPath, ['--version']).pid, identity: null }),
      )
      const tries = await Promise.allSettled(Array.from({ length: 5 }, () => lockPeer(path, 'bob')))
      assert.equal(tries.filter(({ status }) => status === 'fulfilled').length, 1)
    }))
})

describe("A peer's key", () => {
  it('is made once and then stays, readable by its owner alone', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'peers', 'ada', 'key')
      let made = 0
      const generate = (): Uint8Array => Uint8Array.of(7, ++made)
      const first = await loadOrCreateKey(path, generate)
      await chmod(path, 0o644)
      assert.deepEqual(await loadOrCreateKey(path, generate), first)
      assert.equal(made, 1)
      if (process.platform !== 'win32') assert.equal((await stat(path)).mode & 0o777, 0o600)
      assert.deepEqual(new Uint8Array(await readFile(path)), first)
    }))

  it('is one for all who create it at once', () =>
    withFolder(async (folder) => {
      const keys = await Promise.all(
        [1, 2, 3].map((i) => loadOrCreateKey(join(folder, 'key'), () => Uint8Array.of(i))),
      )
      assert.equal(new Set(keys.map(String)).size, 1)
    }))

  it('is refused when its file is empty', () =>
    withFolder(async (folder) => {
      await writeFile(join(folder, 'key'), '')
      await assert.rejects(
        loadOrCreateKey(join(folder, 'key'), () => Uint8Array.of(1)),
        says(/key is empty.*remove it/),
      )
    }))
})
