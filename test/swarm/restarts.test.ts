// Peers that die and come back: the leader, a worker, all of them; with and without what was on their disks.
import assert from 'node:assert/strict'
import { quietNetwork } from '../../src/simulate/network.js'
import type { SimulatedSwarm, TraceLine } from '../../src/simulate/swarm.js'
import { appliedSince, outcomes, simulate } from './swarms.js'

const everyone = ['alice', 'bob', 'carol']
const finished = { alice: 'finished', bob: 'finished', carol: 'finished' }

/** A trio whose leader dies at `atMs` and is back after `forMs`. */
function leaderRestart(atMs: number, forMs: number, trace?: (line: TraceLine) => void) {
  const swarm = simulate({ trace }).startAll().run(atMs)
  swarm.crash('alice')
  swarm.run(atMs + forMs)
  swarm.start('alice')
  return swarm
}

describe('A leader that votes alone, dies and comes back', () => {
  it('goes on from its log with every worker, whenever it died', () => {
    // Every 23 ms over two rounds: between each arrival, its flush, its outer step and the next assignment.
    for (let atMs = 900; atMs < 2_500; atMs += 23) {
      const swarm = leaderRestart(atMs, 300).run(120_000)
      assert.deepEqual(outcomes(swarm), finished, `died at ${atMs} ms`)
      assert.deepEqual([...appliedSince(swarm, atMs + 300)].sort(), everyone, `died at ${atMs} ms`)
      assert.equal(swarm.of('run-finished')[0].versions, 24)
    }
  })

  it('begins a new term with a no-op, and its workers follow it there', () => {
    const swarm = leaderRestart(1_500, 300).run(6_000)
    const terms = swarm.of('leader').map(({ term, reason }) => [term, reason])
    assert.deepEqual(terms, [
      [1, 'it founded the run; it is the only voter'],
      [2, 'nobody led; it is the only voter'],
    ])
    for (const name of everyone) assert.equal(swarm.state(name).term, 2)
    const second = swarm.promises.committed.find(({ term }) => term === 2)
    assert.equal(second?.kind, 'no-op')
  })

  it('does not take the time since its return for the duration of a round', () => {
    // Contributions of rounds given before the crash arrive milliseconds after it.
    const swarm = leaderRestart(1_850, 2_000).run(120_000)
    const speeds = { alice: 10, bob: 1 / 0.15, carol: 4 }
    for (const { worker, speed } of swarm.of('applied'))
      assert.ok(speed <= 1.01 * speeds[worker as keyof typeof speeds], `${worker} at ${speed} steps/s`)
    for (const { worker, steps } of swarm.of('assigned'))
      assert.equal(steps, { alice: 10, bob: 6, carol: 4 }[worker], worker)
  })

  it('loses no round that its workers carried through its absence, however long', () => {
    for (const absenceMs of [500, 5_000, 30_000, 120_000]) {
      const swarm = leaderRestart(1_450, absenceMs).run(400_000)
      assert.deepEqual(outcomes(swarm), finished)
      const lost = swarm.of('expired').filter(({ worker }) => worker !== 'alice')
      assert.deepEqual(lost, [], `away for ${absenceMs} ms`)
    }
  })

  it('offers its own contribution again that it had finished before', () => {
    const swarm = simulate().startAll()
    swarm.runUntil(() => recordOf(swarm, 'alice') !== undefined)
    const held = recordOf(swarm, 'alice')
    swarm.crash('alice')
    swarm.start('alice')
    swarm.run(swarm.clock.now + 200)
    assert.ok(swarm.of('applied').some(({ assignment }) => assignment === held))
  })

  it('is followed by a worker that waited for its first assignment', () => {
    const swarm = leaderRestart(25, 100).run(120_000)
    assert.deepEqual(outcomes(swarm), finished)
    assert.equal(appliedSince(swarm, 0).size, 3)
  })
})

describe('A run that is stopped and resumed', () => {
  it('continues with the same versions, and finishes', () => {
    const swarm = simulate().startAll().run(6_000)
    for (const name of ['carol', 'bob', 'alice']) swarm.stop(name)
    swarm.run(7_000)
    assert.deepEqual(outcomes(swarm), { alice: 'stopped', bob: 'stopped', carol: 'stopped' })
    const resumedAt = swarm.clock.now
    const before = committedVersions(swarm)
    swarm.startAll().run(120_000)
    assert.deepEqual(outcomes(swarm), finished)
    const [end] = swarm.of('run-finished')
    assert.equal(end.versions, 24)
    assert.ok(before > 0 && end.at > resumedAt)
    // What the disks had not yet said to be committed is committed again: once in the ledger, whoever leads.
    assert.equal(committedVersions(swarm), 24)
  })

  it('is none the worse for the moment in which one peer was stopped', () => {
    for (const name of everyone) {
      for (let atMs = 0; atMs < 2_500; atMs += 97) {
        const swarm = simulate().startAll().run(atMs)
        swarm.stop(name)
        assert.equal(swarm.peers.get(name)?.outcome, 'stopped')
        swarm.run(atMs + 500)
        swarm.start(name)
        swarm.run(120_000)
        assert.deepEqual(outcomes(swarm), finished, `${name} stopped at ${atMs} ms`)
        assert.ok(appliedSince(swarm, atMs).has(name), `${name} stopped at ${atMs} ms`)
      }
    }
  })

  it('is not ended again by the finish that stands in its ledger', () => {
    const swarm = simulate({ changes: { stop: { versions: 6 } } })
      .startAll()
      .run(60_000)
    assert.deepEqual(outcomes(swarm), finished)
    swarm.stopAt({ versions: 12 })
    const resumedAt = swarm.clock.now
    swarm.startAll().run(resumedAt + 60_000)
    assert.deepEqual(outcomes(swarm), finished)
    assert.equal(swarm.of('run-finished').at(-1)?.versions, 12)
    assert.equal(appliedSince(swarm, resumedAt).size, 3)
  })
})

describe('A worker that dies and comes back', () => {
  it('offers the contribution again that its disk kept, which is applied once', () => {
    const swarm = simulate({
      network: { ...quietNetwork, betweenMs: 400 },
    })
    swarm.startAll().runUntil(() => recordOf(swarm, 'carol') !== undefined)
    const held = recordOf(swarm, 'carol')
    swarm.crash('carol')
    swarm.run(swarm.clock.now + 50)
    swarm.start('carol')
    swarm.run(120_000)
    assert.equal(swarm.of('applied').filter(({ assignment }) => assignment === held).length, 1)
    assert.deepEqual(outcomes(swarm), finished)
  })

  it('takes its round again from the start if its disk kept none', () => {
    const swarm = simulate({ changes: { localSteps: 30 } })
      .startAll()
      .run(2_000)
    const open = openOf(swarm, 'carol')
    swarm.crash('carol')
    swarm.run(2_500)
    swarm.start('carol')
    swarm.run(120_000)
    assert.deepEqual(outcomes(swarm), finished)
    assert.deepEqual(swarm.of('expired'), [])
    assert.ok(swarm.of('applied').some(({ assignment }) => assignment === open))
  })

  it('without its disk is another peer, under the same name: its round goes to others', () => {
    const swarm = simulate({ changes: { localSteps: 30 } })
      .startAll()
      .run(2_000)
    const open = openOf(swarm, 'carol')
    swarm.crash('carol')
    swarm.run(2_500)
    swarm.wipe('carol')
    swarm.start('carol')
    swarm.run(120_000)
    assert.deepEqual(outcomes(swarm), finished)
    const [expired] = swarm.of('expired')
    assert.deepEqual([expired.assignment, expired.reason], [open, 'another peer came under its name'])
    assert.deepEqual(
      swarm.promises.committed.flatMap((entry) => (entry.kind === 'admit' ? [entry.peer] : [])).slice(3),
      ["id-carol'"],
    )
    assert.ok(appliedSince(swarm, 2_500).has('carol'))
  })

  it('is let go after twenty heartbeats of silence, and its interval is given to another', () => {
    const swarm = simulate({ changes: { stop: { versions: 40 } } })
      .startAll()
      .run(2_000)
    swarm.crash('carol')
    swarm.run(120_000)
    const [left] = swarm.of('left')
    assert.equal(left.name, 'carol')
    assert.ok(left.at > 11_000 && left.at < 14_000, `${left.at} ms`)
    assert.equal(swarm.of('expired').length, 1)
    assert.equal(swarm.of('run-finished')[0].versions, 40)
    assert.equal(swarm.peers.get('alice')?.outcome, 'finished')
  })

  it('is taken in again after it was let go', () => {
    const swarm = simulate({ changes: { stop: { versions: 80 } } })
      .startAll()
      .run(2_000)
    swarm.crash('carol')
    swarm.run(15_000)
    swarm.start('carol')
    const backAt = swarm.clock.now
    swarm.run(120_000)
    assert.deepEqual(outcomes(swarm), finished)
    assert.ok(appliedSince(swarm, backAt).has('carol'))
    const joined = swarm.of('joined').map(({ name }) => name)
    assert.deepEqual([joined.slice(0, 3).sort(), joined.slice(3)], [everyone, ['carol']])
  })

  it('hears the end of the run if it comes back while the others say farewell', () => {
    const swarm = simulate().startAll()
    swarm.runUntil(() => swarm.state('alice').lead?.head.version === 23)
    swarm.crash('carol')
    swarm.runUntil(() => swarm.state('alice').finishing !== null)
    swarm.start('carol')
    swarm.run(swarm.clock.now + 9_000)
    assert.deepEqual(outcomes(swarm), finished)
  })
})

describe('A worker cut off from the others', () => {
  it('keeps its round when it is back before it is given up', () => {
    const swarm = simulate({ changes: { localSteps: 30 } })
      .startAll()
      .run(2_000)
    swarm.cut('carol')
    swarm.run(8_000)
    swarm.mend('carol')
    swarm.run(120_000)
    assert.deepEqual(outcomes(swarm), finished)
    assert.deepEqual(swarm.of('left'), [])
  })

  it('asks to be taken in again after it was let go, and hears what became of its contribution', () => {
    const forgotten: string[] = []
    const swarm = simulate({
      changes: { stop: { versions: 80 } },
      trace: ({ peer, effects }) => {
        for (const effect of effects)
          if (peer === 'carol' && effect.type === 'forget-contribution')
            forgotten.push(`${effect.assignment} ${effect.outcome}`)
      },
    })
      .startAll()
      .run(2_000)
    const open = openOf(swarm, 'carol')
    swarm.cut('carol')
    swarm.run(20_000)
    swarm.mend('carol')
    swarm.run(120_000)
    assert.deepEqual(outcomes(swarm), finished)
    assert.ok(appliedSince(swarm, 20_000).has('carol'))
    assert.ok(forgotten.includes(`${open} expire`))
  })
})

/** The assignment whose contribution a peer's disk keeps. */
const recordOf = (swarm: SimulatedSwarm, name: string) =>
  [...(swarm.peers.get(name)?.disk.records.keys() ?? [])].at(-1)

const openOf = (swarm: SimulatedSwarm, name: string) =>
  Object.values(swarm.state('alice').lead?.head.open ?? {}).find(({ worker }) => worker === `id-${name}`)?.id

const committedVersions = (swarm: SimulatedSwarm) =>
  swarm.promises.committed.filter(({ kind }) => kind === 'apply').length
