// `skein recover` on a run of three real processes, two of which are gone for good; and what it refuses.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Running, Workplace } from './processes.js'

const swarm = {
  name: 'three',
  run: {
    model: { preset: 'nano' },
    inner: { batch: 1 },
    localSteps: 60,
    startPeers: 3,
    checkpoints: { everyVersions: 2 },
    validation: { everyVersions: 10_000, batches: 1 },
    stop: { versions: 1_000_000 },
  },
  clusters: [{ name: 'a' }, { name: 'b' }],
  peers: [
    { name: 'alice', cluster: 'a', slowdown: 20 },
    { name: 'bob', cluster: 'a', slowdown: 20 },
    { name: 'carol', cluster: 'b', slowdown: 20 },
  ],
}

describe('skein recover', function () {
  // Real peers start, elect and train.
  this.timeout(120_000)
  const place = new Workplace()
  after(() => place.leave())
  const folder = 'runs/three'
  const peerFolder = (name: string) => join(place.folder, folder, 'peers', name)
  const recover = (...args: string[]) => place.run('recover', folder, ...args)
  const resumed = (name: string): Running =>
    place.start('peer', 'three.yaml', '--name', name, '--resume', '--out', folder, '--engine', 'onnx-cpu')

  it('makes the one that is left the only voter; the run goes on, and an old voter comes back as a learner', async () => {
    writeFileSync(join(place.folder, 'three.yaml'), JSON.stringify(swarm))
    const up = place.start('up', 'three.yaml', '--engine', 'onnx-cpu')
    await up.shows('both sets of voters have agreed')
    await up.shows('checkpoint of version')

    const refusedWhileRunning = await recover('--name', 'carol', '--force')
    assert.equal(refusedWhileRunning.code, 8)
    assert.match(refusedWhileRunning.stderr, /peer carol already runs as process \d+/)

    place.killPeers(folder, ['alice', 'bob'])
    // Without a majority the command has nothing to wait for.
    assert.equal((await up.ended).code, 9)
    renameSync(peerFolder('alice'), join(place.folder, 'alice'))
    rmSync(peerFolder('bob'), { recursive: true })

    const explained = await recover('--name', 'carol')
    assert.equal(explained.code, 6)
    assert.match(explained.stdout, /^carol holds the ledger up to entry \d+ of term \d+; .*version \d+/)
    assert.match(explained.stdout, /entries after \d+ that .* acknowledged without carol are lost/)
    assert.match(explained.stderr, /nothing was changed[\s\S]*recover runs\/three --name carol --force/)

    const done = await recover('--name', 'carol', '--force')
    assert.deepEqual([done.code, done.stderr], [0, ''])
    assert.match(done.stdout, /carol is the only voter now, in epoch 1/)
    const written = (path: string) => readFileSync(path, 'utf8').trimEnd().split('\n').at(-1) ?? ''
    const [inRun, own] = [
      join(place.folder, folder, 'events.jsonl'),
      join(peerFolder('carol'), 'recoveries.jsonl'),
    ]
    assert.equal(written(inRun), written(own))
    assert.equal(JSON.parse(written(own)).type, 'recovered')

    const told = await place.run('status', folder, '--json')
    const before = JSON.parse(told.stdout)
    assert.deepEqual([before.voters, before.leader, before.epoch], [['carol'], null, 1])

    const carol = resumed('carol')
    await carol.shows('it is the only voter')
    await carol.shows('steps of carol')

    renameSync(join(place.folder, 'alice'), peerFolder('alice'))
    const alice = resumed('alice')
    await alice.shows('carol recovered this run by force, and this voter is none any more')
    await carol.shows('steps of alice')
    const { stdout } = await place.run('status', folder, '--json')
    const { voters, leader, epoch } = JSON.parse(stdout)
    assert.deepEqual([voters, leader, epoch], [['carol'], 'carol', 1])
    for (const { process } of [alice, carol]) process.kill('SIGINT')
    await Promise.all([alice.ended, carol.ended])
  })

  it('refuses a folder that is none, a peer that is not in it, and one that never was a replica', async () => {
    const nowhere = await place.run('recover', 'nowhere', '--name', 'carol')
    assert.equal(nowhere.code, 8)
    assert.match(nowhere.stderr, /there is no run folder nowhere/)
    const stranger = await recover('--name', 'dave')
    assert.equal(stranger.code, 2)
    assert.match(stranger.stderr, /holds no peer dave\nwhat to do: .*choose one of .*carol/)
    mkdirSync(peerFolder('eve'), { recursive: true })
    const worker = await recover('--name', 'eve', '--force')
    assert.equal(worker.code, 8)
    assert.match(worker.stderr, /eve cannot be made the voter of its run: it is no replica/)
    assert.deepEqual(readdirSync(peerFolder('eve')), [])
  })
})
