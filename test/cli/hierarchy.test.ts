// A hierarchical run in real processes: all of them killed at once, stopped and gone on with, looked at, and recovered
// by force where the voters of its upper swarm, or of a cluster, are gone for good.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { readRecords } from '../../src/faults/event-file.js'
import { type RecordOf, type RunRecord, recordsOf } from '../../src/faults/records.js'
import { isKept, judge } from '../../src/faults/verdict.js'
import { type Running, Workplace } from './processes.js'

const swarm = {
  name: 'two',
  run: {
    model: { preset: 'nano' },
    inner: { batch: 1 },
    data: { shards: 4 },
    outer: { bufferSize: 2 },
    localSteps: 8,
    hierarchy: { contributions: 2, codec: 'int8', outer: { bufferSize: 2, momentum: 0.3 } },
    checkpoints: { everyVersions: 4 },
    validation: { everyVersions: 10_000, batches: 1 },
    stop: { versions: 1_000_000 },
  },
  clusters: [{ name: 'north' }, { name: 'south' }],
  peers: [
    { name: 'anser', cluster: 'north' },
    { name: 'anas', cluster: 'north' },
    { name: 'aythya', cluster: 'north' },
    { name: 'branta', cluster: 'south' },
  ].map((peer) => ({ ...peer, slowdown: 4 })),
}

/** What was acknowledged: entries that a leader told to be committed. */
const applied = (records: readonly RunRecord[], of: string | undefined): readonly RecordOf<'applied'>[] =>
  recordsOf(records, 'applied').filter(({ swarm }) => swarm === of)

/** Of a cluster, what it takes in from above makes versions too. */
const newest = (records: readonly RunRecord[], of: string | undefined): number => {
  const merged = recordsOf(records, 'merged').filter(({ swarm }) => swarm === of)
  return Math.max(0, ...[...applied(records, of), ...merged].map(({ version }) => version))
}

/** Version above that a cluster took in last. */
const takenIn = (records: readonly RunRecord[], cluster: string): number =>
  Math.max(
    0,
    ...recordsOf(records, 'merged').flatMap(({ swarm, above }) => (swarm === cluster ? (above ?? 0) : [])),
  )

/** The swarm above, and those of the clusters. */
const swarms = [undefined, 'north', 'south'] as const

/** What was applied beyond earlier records; a leader tells again of what earlier terms have applied. */
function newsOf(
  records: readonly RunRecord[],
  earlier: readonly RunRecord[],
  of: string | undefined,
): readonly RecordOf<'applied'>[] {
  const known = new Map(applied(earlier, of).map(({ version, assignment }) => [version, assignment]))
  return applied(records.slice(earlier.length), of).filter(({ version }) => !known.has(version))
}

describe('A hierarchical run in processes of its own', function () {
  this.timeout(240_000)
  const place = new Workplace()
  after(() => place.leave())
  const folder = 'runs/two'
  const inRun = (...path: string[]) => join(place.folder, folder, ...path)
  const records = () => readRecords(inRun('events.jsonl'))
  const up = (...args: string[]): Running => {
    writeFileSync(join(place.folder, 'two.yaml'), JSON.stringify(swarm))
    return place.start('up', 'two.yaml', '--engine', 'onnx-cpu', ...args)
  }
  /** Resolves once each of its swarms has applied more than what was there earlier. */
  const goneOn = async (running: Running, earlier: readonly RunRecord[]) => {
    for (const of of swarms)
      while (newsOf(await records(), earlier, of).length === 0)
        await once(running.process.stdout as Readable, 'data')
  }
  const resumed = (name: string): Running => {
    const options = ['--resume', '--json', '--out', folder, '--engine', 'onnx-cpu']
    return place.start('peer', 'two.yaml', '--name', name, ...options)
  }

  it('goes on from what was acknowledged in each of its swarms after all processes died at once', async () => {
    const first = up()
    // Three vote above, and both clusters have something to lose.
    await first.shows(/\[north\] voters: \w+, \w+, \w+ \(/)
    await first.shows(/ {2}voters: \w+, \w+, \w+ \(/)
    await first.shows(/ {2}version 8 of/)
    await first.shows(/\[south\] takes in version/)
    place.killPeers(folder, readdirSync(inRun('peers')))
    assert.equal((await first.ended).code, 9)
    const before = await records()

    const second = up('--resume', '--out', folder)
    await second.shows(`  version ${newest(before, undefined) + 4} of`)
    await goneOn(second, before)
    // Once all have stopped, nobody leads any more.
    const { leader, peers } = JSON.parse((await place.run('status', folder, '--json')).stdout)
    assert.ok(
      peers.some((peer: { name: string; above: string }) => peer.name === leader && peer.above === 'leader'),
    )
    second.process.kill('SIGINT')
    assert.equal((await second.ended).code, 130)
    const between = await records()

    const told = await place.run('status', folder, '--json')
    const { version, clusters } = JSON.parse(told.stdout)
    // The peers that stopped last may have told of a commit that those which had gone before did not hear of.
    const isBetween = (what: string, value: number, of: (records: readonly RunRecord[]) => number) =>
      assert.ok(value >= of(before) && value <= of(between), `${what} ${value}`)
    isBetween('version', version, (some) => newest(some, undefined))
    for (const { cluster, voters, version: own, account, parent } of clusters) {
      assert.equal(voters.length, cluster === 'north' ? 3 : 1)
      isBetween(cluster, own, (some) => newest(some, cluster))
      const reports = (some: readonly RunRecord[]) =>
        new Set(
          applied(some, undefined).flatMap(({ worker, version: at }) => (worker === cluster ? [at] : [])),
        ).size
      isBetween(`reports of ${cluster}`, account.reports, reports)
      isBetween(`taken in by ${cluster}`, parent.merged, (some) => takenIn(some, cluster))
    }

    const third = up('--resume', '--out', folder)
    await goneOn(third, between)
    third.process.kill('SIGINT')
    assert.equal((await third.ended).code, 130)
    const all = await records()
    const verdict = judge(all)
    assert.ok(isKept(verdict), JSON.stringify(verdict.checked.filter(({ broken }) => broken.length > 0)))
    for (const of of swarms) {
      for (const [earlier, later] of [
        [before, between],
        [between, all],
      ]) {
        const behind = newsOf(later, earlier, of).filter(({ version }) => version <= newest(earlier, of))
        assert.deepEqual(behind, [], `${of ?? 'the swarm above'} fell behind what was acknowledged`)
      }
    }

    const last = await up('--resume', '--out', folder, '--stop-after', String(newest(all, undefined) + 1))
      .ended
    assert.equal(last.code, 0, last.stdout)
  })

  it('goes on with one voter above, and one in a cluster, where the others are gone for good', async () => {
    const before = await records()
    for (const name of ['anser', 'anas']) rmSync(inRun('peers', name), { recursive: true })
    const asked = await place.run('recover', folder, '--name', 'branta', '--above')
    assert.equal(asked.code, 6, asked.stderr)
    assert.match(asked.stdout, /^branta holds the ledger above the clusters up to entry \d+/)
    assert.match(asked.stderr, /nothing was changed[\s\S]*recover runs\/two --name branta --above --force/)
    for (const args of [['branta', '--above'], ['aythya']]) {
      const done = await place.run('recover', folder, '--force', '--name', ...args)
      assert.deepEqual([done.code, done.stderr], [0, ''])
    }
    const { stdout } = await place.run('status', folder, '--json')
    const { voters, epoch, term, clusters } = JSON.parse(stdout)
    const north = clusters.find(({ cluster }: { cluster: string }) => cluster === 'north')
    assert.deepEqual([voters, epoch, north.voters, north.epoch], [['branta'], 1, ['aythya'], 1])

    const [branta, aythya] = ['branta', 'aythya'].map(resumed)
    // A leader tells again what earlier terms have applied: what its own term applies is new.
    const later = Array.from({ length: 20 }, (_, more) => term + 1 + more).join('|')
    for (const cluster of ['north', 'south'])
      await branta.shows(new RegExp(`"type":"applied".*"term":(${later}),.*"worker":"${cluster}"`))
    for (const { process } of [aythya, branta]) process.kill('SIGINT')
    await Promise.all([aythya.ended, branta.ended])
    const verdict = judge(await records())
    assert.ok(isKept(verdict), JSON.stringify(verdict.checked.filter(({ broken }) => broken.length > 0)))
    // Versions that nobody but the lost ones had acknowledged may be made anew: what counts is what follows.
    const news = (await records()).slice(before.length)
    const recovered = recordsOf(news, 'recovered').find(({ swarm }) => swarm === undefined)
    assert.ok(recovered !== undefined)
    const since = applied(news, undefined).filter(({ index }) => index > recovered.index)
    assert.deepEqual([...new Set(since.map(({ worker }) => worker))].sort(), ['north', 'south'])
  })
})
