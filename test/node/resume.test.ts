// What --resume makes of a run folder that lost something, and of one that never held a run.
import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { UserError } from '../../src/core/user-error.js'
import { Nest, tinySwarm } from './peers.js'

const nest = new Nest()
const founder = { name: 'anser', founder: true } as const

async function flipBit(path: string): Promise<void> {
  const bytes = await readFile(path)
  bytes[bytes.length >> 1] ^= 1
  await writeFile(path, bytes)
}

const ofKind = (kind: UserError['kind'], message: RegExp) => (error: UserError) => {
  assert.equal(error.kind, kind)
  assert.match(error.message, message)
  return true
}

describe('A founder that resumes', () => {
  beforeEach(() => nest.open())
  afterEach(() => nest.close())

  it('goes on from the snapshot before when the newest is damaged', async () => {
    const swarm = tinySwarm()
    const first = nest.start({ ...founder, swarm })
    await first.ended
    const snapshots = join(nest.folder('anser'), 'peers', 'anser', 'snapshots')
    const newest = (await readdir(snapshots)).sort().at(-1)
    assert.match(newest ?? '', /000004/)
    await flipBit(join(snapshots, newest ?? ''))
    const second = nest.start({ ...founder, swarm, resume: true, stopAfter: 6 })
    assert.equal((await second.ended).kind, 'finished')
    const digestOf = (peer: typeof first, wanted: number) =>
      peer.of('digest').find(({ version }) => version === wanted)?.stateDigest
    assert.equal(digestOf(second, 4), digestOf(first, 4))
    assert.deepEqual(
      second.of('applied').map(({ version }) => version),
      [3, 4, 5, 6],
      'what the log has after that snapshot is committed once more, and then what follows',
    )
  })

  it('writes nothing to a folder that holds no run', async () => {
    const folder = nest.folder('letters')
    await mkdir(folder)
    await writeFile(join(folder, 'letter.txt'), 'dear')
    const peer = nest.start({ ...founder, swarm: tinySwarm(), folder, resume: true })
    await assert.rejects(peer.ended, ofKind('storage', /no run to resume in .*genesis\.json/))
    assert.deepEqual(await readdir(folder), ['letter.txt'])
  })

  it('is told which file is damaged or lost', async () => {
    const swarm = tinySwarm({ stop: { versions: 1 } })
    await nest.start({ ...founder, swarm }).ended
    const folder = nest.folder('anser')
    await rm(join(folder, 'peers', 'anser', 'key'))
    const strange = nest.start({ ...founder, swarm, resume: true })
    await assert.rejects(strange.ended, ofKind('storage', /key .* is not the one of the log beside it/))
    await truncate(join(folder, 'genesis.json'), 40)
    const damaged = nest.start({ ...founder, swarm, resume: true })
    await assert.rejects(damaged.ended, ofKind('storage', /genesis\.json is damaged/))
  })
})

describe('A founder that is given a corpus of its own', () => {
  beforeEach(() => nest.open())
  afterEach(() => nest.close())

  it('does not say that the run trains on the built-in one, and gives the text to who lacks it', async () => {
    const anser = nest.start({ ...founder, swarm: tinySwarm({ stop: { versions: 10_000 } }) })
    const { config } = await anser.next('run-started')
    assert.equal((config as { data: { corpus: string } }).data.corpus, 'file')
    const [address] = (await anser.next('listening')).addresses
    const branta = nest.start({ name: 'branta', bootstrap: [address], corpus: null })
    await branta.next('corpus')
    assert.deepEqual(branta.of('warning')[0].message.match(/fetching its \d+ tokens from members/)?.length, 1)
  })

  it('leaves nothing behind and saves nothing when it is stopped before the run began', async () => {
    const anser = nest.start({ ...founder, swarm: tinySwarm() })
    assert.deepEqual(await anser.stop(), { kind: 'stopped' })
    assert.equal(anser.of('leader').length, 0)
  })
})

describe('A founder whose outer optimizer does not exist', () => {
  beforeEach(() => nest.open())
  afterEach(() => nest.close())

  it('is told so before a folder is filled', async () => {
    const anser = nest.start({ ...founder, swarm: tinySwarm({ outer: { method: 'adam' } }) })
    await assert.rejects(anser.ended, ofKind('config', /no outer optimizer 'adam'/))
    assert.deepEqual(await readdir(nest.folder('.')), ['corpus.txt'])
  })
})
