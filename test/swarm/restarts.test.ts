// Peers that die and come back: the leader, a worker, all of them; with and without what was on their disks.
import assert from 'node:assert/strict'
import type { TraceLine } from '../../src/simulate/swarm.js'
import { appliedSince, messagesTo, outcomes, record, simulate } from './swarms.js'

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

describe('A leader that dies and comes back', () => {
  it('goes on from its journal with every worker, whenever it died', () => {
    // Every 7 ms over two rounds: between each arrival, its flush, its outer step and the next assignment.
    for (let atMs = 900; atMs < 2_500; atMs += 7) {
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
      [1, 'it founded the run'],
      [2, 'it is the only voter and came back'],
    ])
    for (const name of everyone) assert.equal(swarm.state(name).term, 2)
    const second = swarm.peers.get('alice')?.disk.journal.find(({ term }) => term === 2)
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
    swarm.runUntil(() => swarm.peers.get('alice')?.disk.record != null)
    const held = swarm.peers.get('alice')?.disk.record?.manifest.assignment
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
    const applied = swarm.peers.get('alice')?.disk.journal.filter(({ kind }) => kind === 'apply')
    swarm.startAll().run(120_000)
    const after = swarm.of('digest').find(({ at }) => at >= resumedAt)
    assert.equal(after?.version, applied?.length)
    assert.deepEqual(outcomes(swarm), finished)
  })

  it('is none the worse for the moment in which one peer was stopped', () => {
    for (const name of everyone) {
      for (let atMs = 0; atMs < 2_500; atMs += 61) {
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
    const lines: TraceLine[] = []
    const swarm = simulate({ changes: { stop: { versions: 6 } }, trace: record(lines) })
      .startAll()
      .run(60_000)
    assert.deepEqual(outcomes(swarm), finished)
    const resumed = simulate({ changes: { stop: { versions: 12 } } })
    for (const [name, { disk }] of swarm.peers) {
      resumed.peers.get(name)?.disk.journal.push(...disk.journal)
      for (const [hash, payload] of disk.payloads) resumed.peers.get(name)?.disk.payloads.set(hash, payload)
    }
    for (const entry of resumed.peers.get('alice')?.disk.journal ?? []) resumed.promises.committed(entry)
    resumed.startAll().run(60_000)
    assert.deepEqual(outcomes(resumed), finished)
    const [end] = resumed.of('run-finished')
    assert.equal(end.versions, 12)
    assert.equal(appliedSince(resumed, 0).size, 3)
  })
})

describe('A worker that dies and comes back', () => {
  it('offers the contribution again that its disk kept, which is applied once', () => {
    const swarm = simulate({
      network: { latencyMs: 1, betweenMs: 400, jitterMs: 0, loss: 0, duplication: 0 },
    })
    swarm.startAll().runUntil(() => swarm.peers.get('carol')?.disk.record != null)
    const held = swarm.peers.get('carol')?.disk.record?.manifest.assignment
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
    const open = Object.values(swarm.state('alice').lead?.head.open ?? {}).find(
      ({ worker }) => worker === 'id-carol',
    )
    swarm.crash('carol')
    swarm.wipe('carol')
    swarm.run(2_500)
    swarm.start('carol')
    swarm.run(120_000)
    assert.deepEqual(outcomes(swarm), finished)
    assert.deepEqual(swarm.of('expired'), [])
    assert.ok(swarm.of('applied').some(({ assignment }) => assignment === open?.id))
  })

  it('is let go after ten heartbeats of silence, and its interval is given to another', () => {
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
    assert.deepEqual(
      swarm.of('joined').map(({ name }) => name),
      [...everyone, 'carol'],
    )
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

  it('asks to be taken in again after it was let go, and is told what became of its contribution', () => {
    const lines: TraceLine[] = []
    const swarm = simulate({ changes: { stop: { versions: 80 } }, trace: record(lines) })
      .startAll()
      .run(2_000)
    swarm.cut('carol')
    swarm.run(20_000)
    swarm.mend('carol')
    swarm.run(120_000)
    assert.deepEqual(outcomes(swarm), finished)
    assert.ok(appliedSince(swarm, 20_000).has('carol'))
    const verdicts = messagesTo(lines, 'carol', 'entries').flatMap(({ entries }) => entries)
    assert.ok(verdicts.some((entry) => entry.kind === 'expire' && entry.worker === 'id-carol'))
  })
})
