// Rounds given in advance: workers go on while nobody leads, and nothing that they did is lost or done twice.
import assert from 'node:assert/strict'
import { applyEntry } from '../../src/core/apply-entry.js'
import type { EffectOf } from '../../src/core/events.js'
import { peerId } from '../../src/core/ids.js'
import { emptyLedger } from '../../src/core/ledger.js'
import type { SimulatedSwarm, TraceLine } from '../../src/simulate/swarm.js'
import { record, simulate } from './swarms.js'

const changes = { stop: { versions: 120 } }
/** Long enough for three voters. */
const settledMs = 15_000

const trainings = (lines: readonly TraceLine[], peer: string): EffectOf<'train'>[] =>
  lines
    .filter((line) => line.peer === peer)
    .flatMap(({ effects }) => effects.filter((effect) => effect.type === 'train'))

function coversAll(swarm: SimulatedSwarm): void {
  const { shards: length } = swarm.options.run.data
  const empty = emptyLedger(
    Array.from({ length }, () => 1_000),
    peerId('id-alice'),
  )
  swarm.promises.work.everyIntervalIsCovered(swarm.promises.committed.reduce(applyEntry, empty))
}

/** Leaves alice alone, without a majority, for a while. */
function leaderless(roundsAhead: number) {
  const swarm = simulate({ changes: { ...changes, roundsAhead } })
  swarm.startAll().run(settledMs)
  swarm.runUntil(() => swarm.state('alice').worker.now.phase === 'training')
  for (const name of ['bob', 'carol']) swarm.crash(name)
  const aloneFrom = swarm.clock.now
  swarm.run(aloneFrom + 20_000)
  const finished = swarm.of('contributed').filter(({ at, peer }) => peer === 'alice' && at > aloneFrom)
  for (const name of ['bob', 'carol']) swarm.start(name)
  const backAt = swarm.clock.now
  swarm.run(backAt + 200_000)
  coversAll(swarm)
  return { swarm, finished: finished.map(({ assignment }) => assignment) }
}

describe('A worker whose leader is gone', () => {
  it('finishes the round it is at and waits, when no rounds were given in advance', () => {
    assert.equal(leaderless(0).finished.length, 1)
  })

  for (const ahead of [1, 3]) {
    it(`goes on for ${ahead} more round(s), as many as were given in advance, and no further`, () => {
      assert.equal(leaderless(ahead).finished.length, 1 + ahead)
    })
  }

  it('has everything it did meanwhile applied once a leader is back', () => {
    const { swarm, finished } = leaderless(3)
    const applied = swarm.promises.committed.flatMap((entry) =>
      entry.kind === 'apply' ? [entry.assignment] : [],
    )
    for (const assignment of finished)
      assert.equal(applied.filter((id) => id === assignment).length, 1, `${assignment} was applied`)
    assert.equal(swarm.of('run-finished').at(-1)?.versions, 120)
  })
})

describe('A round that continues another', () => {
  it('starts from a version less the own contributions that this version lacks', () => {
    const lines: TraceLine[] = []
    const swarm = simulate({ changes: { ...changes, roundsAhead: 2 }, trace: record(lines) })
    swarm.startAll().run(settledMs)
    const madeBy = new Map(
      swarm.promises.committed.flatMap((entry) =>
        entry.kind === 'apply' ? [[entry.assignment, entry.version]] : [],
      ),
    )
    for (const peer of ['alice', 'bob', 'carol']) {
      const rounds = trainings(lines, peer)
      assert.ok(
        rounds.some(({ without }) => without.length > 0),
        `${peer} went on before a verdict`,
      )
      for (const [i, { base, without }] of rounds.entries()) {
        const own = rounds.slice(0, i).map(({ assignment }) => assignment.id)
        const lacking = own.filter((id) => (madeBy.get(id) ?? Number.POSITIVE_INFINITY) > base)
        assert.deepEqual([...without].sort(), lacking.sort())
      }
    }
  })

  it('counts its staleness from the version it started from', () => {
    const swarm = simulate({ changes: { ...changes, roundsAhead: 1 } })
    swarm.startAll().run(settledMs)
    assert.ok(swarm.promises.committed.some((entry) => entry.kind === 'apply' && entry.staleness > 0))
    for (const entry of swarm.promises.committed)
      if (entry.kind === 'apply') assert.ok(entry.staleness >= 0 && entry.staleness < entry.version)
  })

  it('leaves nobody idle: workers train through their verdicts', () => {
    const share = (roundsAhead: number) => {
      const swarm = simulate({
        changes: { ...changes, roundsAhead, stop: { versions: 60 } },
        network: {
          latencyMs: 200,
          betweenMs: 400,
          jitterMs: 0,
          loss: 0,
          duplication: 0,
          bytesPerSecond: 1e9,
        },
      })
      swarm.startAll().run(300_000)
      const end = swarm.of('run-finished')[0]?.at ?? assert.fail('the run ended')
      return swarm.of('run-finished')[0].steps / end
    }
    assert.ok(share(1) > 1.2 * share(0), `${share(1)} steps per ms against ${share(0)}`)
  })
})
