// Random schedules of faults: whatever happens, the promises hold, and once it stops the run finishes.
// A failure prints the seed and the schedule: put them into `replay` below to see it again.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { applyEntry } from '../../src/core/apply-entry.js'
import { peerId } from '../../src/core/ids.js'
import { emptyLedger } from '../../src/core/ledger.js'
import { quietNetwork } from '../../src/simulate/network.js'
import type { SimulatedSwarm } from '../../src/simulate/swarm.js'
import { outcomes, simulate } from './swarms.js'

const names = ['alice', 'bob', 'carol', 'dora'] as const
type Name = (typeof names)[number]
const devices = [
  { name: 'alice', cluster: 'lake', secondsPerStep: 0.1 },
  { name: 'bob', cluster: 'lake', secondsPerStep: 0.15 },
  { name: 'carol', cluster: 'meadow', secondsPerStep: 0.25 },
  { name: 'dora', cluster: 'meadow', secondsPerStep: 0.1 },
]

type Fault =
  | { what: 'crash'; who: Name; forMs: number; wiped: boolean }
  | { what: 'cut'; who: Name; forMs: number }
  | { what: 'stop'; who: Name; forMs: number }
  | { what: 'stop-all'; forMs: number }
interface Schedule {
  seed: number
  replicas: number
  loss: number
  duplication: number
  jitterMs: number
  grace: number | 'auto'
  faults: { afterMs: number; fault: Fault }[]
}

const forMs = fc.oneof(fc.integer({ min: 0, max: 800 }), fc.integer({ min: 800, max: 25_000 }))
const who = fc.constantFrom(...names)
const fault: fc.Arbitrary<Fault> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ what: fc.constant('crash' as const), who, forMs, wiped: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('cut' as const), who, forMs }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('stop' as const), who, forMs }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('stop-all' as const), forMs }) },
)
const schedule: fc.Arbitrary<Schedule> = fc.record({
  seed: fc.integer({ min: 1, max: 1_000_000 }),
  replicas: fc.constantFrom(1, 2, 3, 4),
  loss: fc.constantFrom(0, 0.05, 0.2),
  duplication: fc.constantFrom(0, 0.1),
  jitterMs: fc.constantFrom(0, 30, 300),
  grace: fc.constantFrom('auto' as const, 0, 0.5),
  faults: fc.array(fc.record({ afterMs: fc.integer({ min: 0, max: 3_000 }), fault }), { maxLength: 8 }),
})

/** Versions to go at least after the last fault, so that everyone takes part again. */
const versionsAfter = 40

function replay({ seed, replicas, loss, duplication, jitterMs, grace, faults }: Schedule) {
  const network = { ...quietNetwork, latencyMs: 2, jitterMs, loss, duplication }
  const faultsMs = faults.reduce((sum, { afterMs, fault }) => sum + afterMs + fault.forMs, 0)
  // Alice and Dora apply at most once a second each, the others less often.
  const versions = versionsAfter + Math.ceil((3.5 * faultsMs) / 1000)
  const changes = { startPeers: 4, replicas, grace, stop: { versions } }
  const swarm = simulate({ devices, network, seed, changes }).startAll()
  const start = emptyLedger([1, 1, 1, 1], peerId('id-alice'))
  const checked = () =>
    swarm.promises.work.everyIntervalIsCovered(swarm.promises.committed.reduce(applyEntry, start))
  const runFor = (ms: number) => {
    swarm.run(swarm.clock.now + ms)
    checked()
  }
  for (const { afterMs, fault } of faults) {
    runFor(afterMs)
    switch (fault.what) {
      case 'crash':
        swarm.crash(fault.who)
        runFor(fault.forMs)
        if (fault.wiped && mayBeWiped(swarm, fault.who)) swarm.wipe(fault.who)
        swarm.start(fault.who)
        break
      case 'cut':
        swarm.cut(fault.who)
        runFor(fault.forMs)
        swarm.mend(fault.who)
        break
      case 'stop':
        swarm.stop(fault.who)
        runFor(fault.forMs)
        swarm.start(fault.who)
        break
      case 'stop-all':
        for (const name of names) swarm.stop(name)
        runFor(fault.forMs)
        for (const name of names) swarm.start(name)
        break
    }
  }
  const quietAt = swarm.clock.now
  swarm.run(quietAt + 400_000)
  checked()
  return { swarm, quietAt, versions }
}

/** Of several voters one may lose its disk, and the next only once another votes in its place. */
function mayBeWiped(swarm: SimulatedSwarm, name: Name): boolean {
  const newest = swarm.promises.committed.findLast((entry) => entry.kind === 'configure')
  const founder = peerId('id-alice')
  const { voters, next } = newest?.kind === 'configure' ? newest : { voters: [founder], next: null }
  const now = [...swarm.peers.values()].map(({ id }) => id)
  const id = swarm.peers.get(name)?.id
  if (!voters.some((voter) => voter === id) && next?.some((voter) => voter === id) !== true) return true
  return next === null && voters.length > 2 && voters.every((voter) => now.includes(voter))
}

describe('Any schedule of crashes, cuts, stops, losses and delays', () => {
  it('keeps every promise, and the run finishes with every peer once the faults stop', () => {
    fc.assert(
      fc.property(schedule, (plan) => {
        const { swarm, quietAt, versions } = replay(plan)
        const all = { alice: 'finished', bob: 'finished', carol: 'finished', dora: 'finished' }
        assert.deepEqual(outcomes(swarm), all)
        assert.equal(swarm.of('run-finished').at(-1)?.versions, versions)
        const took = new Set(
          swarm
            .of('applied')
            .filter(({ at }) => at > quietAt)
            .map(({ worker }) => worker),
        )
        assert.equal(took.size, 4, `only ${[...took].join(', ')} took part again`)
        const idleMs = longestPause(
          swarm
            .of('applied')
            .map(({ at }) => at)
            .filter((at) => at > quietAt),
        )
        assert.ok(idleMs < 15_000, `nothing was applied for ${idleMs} ms`)
      }),
      { numRuns: Number(process.env.SKEIN_SCHEDULES ?? 40) },
    )
  })

  it('leaves nobody outside who knows only voters that are gone: it believes others after a while', () => {
    const plan: Schedule = {
      seed: 1,
      replicas: 3,
      loss: 0,
      duplication: 0,
      jitterMs: 300,
      grace: 'auto',
      faults: [
        { afterMs: 340, fault: { what: 'stop', who: 'bob', forMs: 4_084 } },
        { afterMs: 1_951, fault: { what: 'crash', who: 'alice', forMs: 3_507, wiped: true } },
        { afterMs: 0, fault: { what: 'stop-all', forMs: 0 } },
      ],
    }
    assert.equal(outcomes(replay(plan).swarm).bob, 'finished')
  })

  it('gives the same run again for the same schedule', () => {
    const plan: Schedule = {
      seed: 7,
      replicas: 2,
      loss: 0.2,
      duplication: 0.1,
      jitterMs: 300,
      grace: 'auto',
      faults: [
        { afterMs: 1_700, fault: { what: 'crash', who: 'alice', forMs: 400, wiped: false } },
        { afterMs: 900, fault: { what: 'crash', who: 'carol', forMs: 12_000, wiped: true } },
        { afterMs: 0, fault: { what: 'stop-all', forMs: 100 } },
      ],
    }
    assert.deepEqual(replay(plan).swarm.reports, replay(plan).swarm.reports)
  })
})

function longestPause(times: readonly number[]): number {
  return Math.max(0, ...times.slice(1).map((at, i) => at - times[i]))
}
