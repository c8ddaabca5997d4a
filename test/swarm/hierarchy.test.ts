// Clusters as swarms under a swarm: what a cluster moves is reported, applied above, and counted once, whoever is lost.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { SimulatedHierarchy } from '../../src/simulate/hierarchy.js'
import {
  accounts,
  assertAllAgree,
  assertAllFinished,
  assertNothingLostOrTwice,
  hierarchy,
  nine,
} from './hierarchies.js'
import { votersOf } from './swarms.js'

const latestMs = 600_000

function assertWholeRun(run: SimulatedHierarchy, versions = 30): void {
  assertAllFinished(run)
  assertNothingLostOrTwice(run)
  assertAllAgree(run)
  // A leader that dies when the last version is made may leave one more to its successor.
  assert.ok(run.above.promises.ledger.version >= versions)
}

/** Long enough for three voters in each cluster and above. */
const settledMs = 8_000

/** Runs until the cluster is at a point of a round, and then its leader dies and is started again. */
function losingTheSpeaker(point: (run: SimulatedHierarchy) => boolean): SimulatedHierarchy {
  return lost(point).run(latestMs)
}

/** The same, up to when there is a successor. */
function lost(point: (run: SimulatedHierarchy) => boolean): SimulatedHierarchy {
  const run = hierarchy({ changes: { stop: { versions: 60 } } }).startAll()
  run.run(settledMs).runUntil(() => point(run))
  const speaker = run.speaker('south')
  assert.ok(speaker !== null, 'somebody speaks for the cluster')
  run.crash(speaker)
  run.runUntil(() => run.speaker('south') !== null)
  assert.notEqual(run.speaker('south'), speaker)
  run.start(speaker)
  return run
}

const parentOf = (run: SimulatedHierarchy) => run.cluster('south').promises.ledger.parent

describe('A hierarchical run', () => {
  it('ends everywhere once the swarm above has reached its end, with every report counted once', () => {
    const run = hierarchy().startAll().run(latestMs)
    assertWholeRun(run)
    for (const cluster of run.clusters.keys()) assert.ok(accounts(run, cluster).applied.length >= 3, cluster)
  })

  it('sums up at its end the local steps of its clusters, by their own accounts', () => {
    const run = hierarchy().startAll().run(latestMs)
    const steps = [...run.clusters.values()].map((swarm) => swarm.promises.ledger.steps)
    const [finished] = run.above.of('run-finished')
    assert.equal(
      finished.steps,
      steps.reduce((sum, own) => sum + own),
    )
    assert.deepEqual(Object.keys(finished.utilisation).sort(), [...run.clusters.keys()].sort())
  })

  it('lowers the loss of the swarm above', () => {
    const outer = { method: 'sgd', learningRate: 0.3 }
    const changes = { hierarchy: { contributions: 4, outer }, stop: { versions: 60 } }
    const run = hierarchy({ changes }).startAll().run(latestMs)
    const losses = run.above.of('validated').map(({ loss }) => loss)
    assert.ok((losses.at(-1) ?? 1) < losses[0] / 10, losses.join())
  })

  it('gives faster clusters more contributions to collect than slower ones', () => {
    const run = hierarchy({ changes: { stop: { versions: 60 } } })
      .startAll()
      .run(latestMs)
    const steps = (cluster: string) =>
      run.above.of('applied').flatMap((entry) => (entry.worker === cluster ? [entry.steps] : []))
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
    assert.ok(mean(steps('north')) > mean(steps('east')))
  })

  it('lets no two clusters train on the same shard', () => {
    const run = hierarchy().startAll().run(latestMs)
    const shards = [...run.clusters.values()].map(
      (swarm) => new Set(swarm.of('assigned').map(({ shard }) => shard)),
    )
    assert.equal(
      shards.reduce((sum, { size }) => sum + size, 0),
      new Set(shards.flatMap((set) => [...set])).size,
    )
  })

  it('goes on training in a cluster that is cut off from the swarm above', () => {
    const run = hierarchy({ changes: { stop: { versions: 60 } } }).startAll()
    run.run(settledMs)
    for (const name of ['north-1', 'south-1', 'east-1']) if (name !== 'south-1') run.above.crash(name)
    const before = run.cluster('south').promises.ledger.version
    run.run(run.clock.now + 20_000)
    assert.ok(run.cluster('south').promises.ledger.version > before + 10)
    for (const name of ['north-1', 'east-1']) run.above.start(name)
    assertWholeRun(run.run(latestMs), 60)
  })

  it('gives its members above no rounds of their own', () => {
    const run = hierarchy().startAll().run(latestMs)
    assert.deepEqual([...new Set(run.above.of('assigned').map(({ worker }) => worker))].sort(), [
      'east',
      'north',
      'south',
    ])
  })
})

describe('A cluster whose leader is lost', () => {
  it('before it reports has its successor go on with the same round', () => {
    const run = losingTheSpeaker(
      (at) => (parentOf(at)?.contributions ?? 0) >= 2 && parentOf(at)?.report === null,
    )
    assertWholeRun(run, 60)
  })

  it('before it reports has its successor send the report, though that was made before the base above had come', () => {
    const slowly = (run: SimulatedHierarchy, bytesPerSecond: number) => {
      run.above.network.model = { ...run.above.network.model, bytesPerSecond }
    }
    const run = lost((at) => (parentOf(at)?.contributions ?? 0) >= 2 && parentOf(at)?.report === null)
    slowly(run, 1)
    run.runUntil(() => parentOf(run)?.report != null)
    const payload = parentOf(run)?.report?.payload
    slowly(run, Number.POSITIVE_INFINITY)
    assertWholeRun(run.run(latestMs), 60)
    assert.ok(accounts(run, 'south').applied.some((applied) => applied === payload))
  })

  it('while its report is on its way has the identical bytes sent again', () => {
    let payload: string | undefined
    const run = losingTheSpeaker((at) => {
      payload = parentOf(at)?.report?.payload
      return payload !== undefined
    })
    assertWholeRun(run, 60)
    assert.ok(accounts(run, 'south').applied.some((applied) => applied === payload))
  })

  it('before it takes in what was made of its report has its successor take it in, once', () => {
    const run = losingTheSpeaker((at) => {
      const report = parentOf(at)?.report ?? null
      return report !== null && accounts(at, 'south').applied.includes(report.payload)
    })
    assertWholeRun(run, 60)
  })
})

describe('A swarm above whose leader is lost', () => {
  it('elects another, and every cluster goes on with it', () => {
    const run = hierarchy({ changes: { stop: { versions: 60 } } }).startAll()
    run.run(settledMs)
    const lost = run.above.leader()
    assert.ok(lost !== null)
    run.crash(lost)
    run.runUntil(() => run.above.leader() !== null && run.above.leader() !== lost)
    run.run(run.clock.now + 10_000)
    run.start(lost)
    assertWholeRun(run.run(latestMs), 60)
  })

  it('goes on with others in the place of its voters when they go one after the other, for good', () => {
    const above = nine.map(({ name }) => name)
    const run = hierarchy({ above, changes: { stop: { versions: 150 } } }).startAll()
    run.run(settledMs)
    for (const lost of ['north-1', 'south-1', 'east-1']) {
      run.crash(lost)
      // Silent for ten seconds, it is let go; and its successor has proved itself after five more.
      run.run(run.clock.now + 20_000)
      const voters = votersOf(run.above)
      assert.equal(voters.length, 3)
      assert.ok(!voters.includes(lost), `${lost} still votes: ${voters.join()}`)
    }
    assertWholeRun(run.run(latestMs), 150)
  })
})

/** Clusters far apart, on links that lose and repeat. */
const bad = {
  latencyMs: 1,
  betweenMs: 60,
  jitterMs: 20,
  loss: 0.02,
  duplication: 0.02,
  bytesPerSecond: Number.POSITIVE_INFINITY,
}

/** Any run up to so many versions that something befalls. */
const anyRun = <T>(
  versions: number,
  events: fc.Arbitrary<T[]>,
  befall: (run: SimulatedHierarchy, events: T[]) => void,
) =>
  fc.property(fc.integer({ min: 1, max: 2 ** 20 }), events, (seed, drawn) => {
    const run = hierarchy({ seed, network: bad, changes: { stop: { versions } } }).startAll()
    befall(run, drawn)
    assertWholeRun(run.run(latestMs), versions)
  })

/** A law whose runs take long, in parts: each has the time of a test. */
function itIsALaw(what: string, parts: number, numRuns: number, law: fc.IRawProperty<unknown>): void {
  for (let part = 1; part <= parts; part++)
    it(`${what} (${part} of ${parts}, ${numRuns} runs)`, () => fc.assert(law, { numRuns }))
}

const kills = fc.array(
  fc.record({
    atMs: fc.integer({ min: 3_000, max: 15_000 }),
    backMs: fc.integer({ min: 100, max: 5_000 }),
    whom: fc.constantFrom('north', 'south', 'east', 'above'),
  }),
  { maxLength: 6 },
)

describe('Whoever is lost and comes back, whenever', () => {
  const law = anyRun(60, kills, (run, kills) => {
    for (const { atMs, backMs, whom } of kills) {
      run.clock.after(atMs, () => {
        const lost = whom === 'above' ? run.above.leader() : run.speaker(whom)
        if (lost === null) return
        run.crash(lost)
        run.clock.after(backMs, () => run.start(lost))
      })
    }
  })
  itIsALaw('nothing that a cluster reported is lost or counted twice', 4, 10, law)
})

const kinds = ['kill', 'wipe', 'cut', 'pause'] as const

interface Fault {
  readonly kind: (typeof kinds)[number]
  readonly atMs: number
  readonly forMs: number
  readonly whom: string
}

const faults = fc.array(
  fc.record({
    kind: fc.constantFrom(...kinds),
    atMs: fc.integer({ min: 8_000, max: 25_000 }),
    forMs: fc.integer({ min: 100, max: 8_000 }),
    whom: fc.constantFrom('north', 'south', 'east', 'above', ...nine.map(({ name }) => name)),
  }),
  { maxLength: 6 },
)

/**
 * Strikes the leader of a cluster, or above, or a peer by name: one at a time, and one disk in all, for two may be a
 * majority of the voters of some swarm.
 */
function strike(run: SimulatedHierarchy, { kind, atMs, forMs, whom }: Fault, struck: Set<string>): void {
  run.clock.after(atMs, () => {
    const named = nine.some(({ name }) => name === whom)
    const name = named ? whom : whom === 'above' ? run.above.leader() : run.speaker(whom)
    if (name === null || [...struck].some((other) => other !== 'a disk')) return
    if (kind === 'wipe' && struck.has('a disk')) return
    struck.add(name)
    const undo = doTo(run, kind, name)
    if (kind === 'wipe') struck.add('a disk')
    run.clock.after(forMs, () => {
      undo()
      struck.delete(name)
    })
  })
}

function doTo(run: SimulatedHierarchy, kind: Fault['kind'], name: string): () => void {
  switch (kind) {
    case 'kill':
    case 'wipe':
      run.crash(name)
      if (kind === 'wipe') run.wipe(name)
      return () => run.start(name)
    case 'cut':
      run.cut(name)
      return () => run.mend(name)
    case 'pause':
      run.pause(name)
      return () => run.goOn(name)
  }
}

describe('Whoever is lost, cut off or stands still, and comes back, whenever', () => {
  const law = anyRun(90, faults, (run, faults) => {
    const struck = new Set<string>()
    for (const fault of faults) strike(run, fault, struck)
  })
  itIsALaw('nothing that a cluster reported is lost or counted twice', 4, 5, law)
})
