// The state that every view shows.
import assert from 'node:assert/strict'
import { peerId } from '../../src/core/ids.js'
import {
  afterRecord,
  beforeResuming,
  progressOf,
  remainingMs,
  unseenSwarm,
} from '../../src/observe/swarm-view.js'
import { runSchema } from '../../src/swarmfile/schema.js'
import { applied, at, endRecords, joined, runRecords, stateAfter, validated } from './records.js'

describe('The state of a swarm', () => {
  const state = stateAfter(runRecords(6))

  it('knows the run, its version and its leader', () => {
    assert.equal(state.name, 'trio')
    assert.equal(state.version, 6)
    assert.deepEqual(
      [...state.peers.values()].filter((peer) => peer.leader).map((peer) => peer.name),
      ['anser'],
    )
  })

  it('knows each peer: cluster, steps, speed, staleness and bytes', () => {
    const cygnus = state.peers.get('cygnus')
    assert.ok(cygnus)
    assert.equal(cygnus.cluster, 'south')
    assert.equal(cygnus.steps, 20)
    assert.equal(cygnus.contributions, 2)
    assert.equal(cygnus.speed, 3.2)
    assert.equal(cygnus.stalenessMax, 0)
    assert.equal(cygnus.bytesSent, 1_234_567)
    assert.equal(cygnus.phase, 'training')
    assert.deepEqual([cygnus.step, cygnus.assigned], [7, 12])
  })

  it('counts an application once though several peers report it', () => {
    const again = stateAfter([applied(20, 6, 'cygnus', 'branta'), applied(20, 2, 'branta', 'cygnus')], state)
    assert.equal(again.steps, state.steps)
    assert.equal(again.peers.get('cygnus')?.contributions, 2)
  })

  it('counts versions that arrive out of order', () => {
    const mixed = stateAfter([
      applied(1, 2, 'anser'),
      applied(2, 1, 'branta'),
      applied(3, 1, 'branta', 'cygnus'),
    ])
    assert.deepEqual([mixed.version, mixed.steps], [2, 20])
    assert.deepEqual(
      mixed.training.map((point) => point.version),
      [1, 2],
    )
  })

  it('stays small in a long run: every version counts, but the curve thins out', () => {
    const versions = Array.from({ length: 3000 }, (_, index) => applied(index, index + 1, 'anser'))
    const long = stateAfter(versions.flatMap((record) => [record, { ...record, peer: 'branta' }]))
    assert.equal(long.steps, 30_000)
    assert.ok(long.training.length <= 512 && long.training.length > 200)
    assert.deepEqual([long.training[0].version, long.training.at(-1)?.version], [1, 3000])
  })

  it('keeps curves and counts of earlier sessions, but not their clock', () => {
    const resumed = stateAfter([applied(1000, 7, 'branta')], beforeResuming(state))
    assert.deepEqual([resumed.version, resumed.steps, resumed.training.length], [7, 70, 7])
    assert.equal(resumed.startedMs, resumed.nowMs)
    assert.equal(remainingMs(resumed), null)
  })

  it('keeps the curves in order of version whatever the order of arrival', () => {
    const mixed = stateAfter([validated(1, 6, 3), validated(2, 0, 5), validated(3, 3, 4), validated(4, 3, 9)])
    assert.deepEqual(mixed.validation, [
      { version: 0, loss: 5 },
      { version: 3, loss: 4 },
      { version: 6, loss: 3 },
    ])
  })

  it('follows a change of leader and ignores the leader of an older term', () => {
    const leader = (term: number, name: string) =>
      at(30, name, { type: 'leader', term, leader: name, id: peerId(name), reason: 'elected' })
    const leaders = (records: Parameters<typeof stateAfter>[0]) =>
      [...stateAfter(records, state).peers.values()].filter((peer) => peer.leader).map((peer) => peer.name)
    assert.deepEqual(leaders([leader(2, 'branta')]), ['branta'])
    assert.deepEqual(leaders([leader(2, 'branta'), leader(1, 'cygnus')]), ['branta'])
  })

  it('marks a peer that left, and brings it back when it joins again', () => {
    const gone = afterRecord(
      state,
      at(30, 'anser', {
        type: 'left',
        name: 'cygnus',
        id: peerId('id-cygnus'),
        cluster: 'south',
        reason: 'silent',
      }),
    )
    assert.equal(gone.peers.get('cygnus')?.phase, 'left')
    assert.equal(afterRecord(gone, joined(31, 'cygnus')).peers.get('cygnus')?.phase, 'joined')
  })

  it('keeps the accounts of the peers and of the run at the end', () => {
    const end = stateAfter(endRecords(), stateAfter(runRecords(12)))
    assert.equal(end.finished?.versions, 12)
    assert.equal(end.peers.get('branta')?.account?.emulated, 0.4)
    assert.equal(end.checkpoint, 'runs/trio/checkpoints/12.safetensors')
  })

  it('passes over a record of a kind it does not know', () => {
    const strange = { time: '2026-01-01T00:01:00.000Z', peer: 'anser', type: 'from-the-future' }
    assert.equal(afterRecord(state, strange as never).version, 6)
  })

  it('does not change the state it is given', () => {
    const before = JSON.stringify([...state.peers])
    stateAfter(endRecords(), state)
    assert.equal(JSON.stringify([...state.peers]), before)
  })
})

describe('Progress', () => {
  it('follows the stop rule of the run', () => {
    assert.deepEqual(progressOf(stateAfter(runRecords(6))), {
      done: 6,
      target: 12,
      unit: 'versions',
      share: 0.5,
    })
  })

  it('follows --stop-after where that is sooner', () => {
    const state = stateAfter(runRecords(6), unseenSwarm([], 8))
    assert.equal(progressOf(state)?.target, 8)
  })

  it('follows the rule that is nearest to being met', () => {
    const [started, ...rest] = runRecords(6)
    const config = runSchema.parse({ stop: { versions: 100, steps: 80, minutes: 60 } })
    const state = stateAfter([{ ...started, config } as typeof started, ...rest])
    assert.deepEqual(progressOf(state), { done: 60, target: 80, unit: 'steps', share: 0.75 })
  })

  it('counts tokens as steps x batch x sequence length', () => {
    const [started, ...rest] = runRecords(6)
    const config = runSchema.parse({ stop: { tokens: 61_440 } })
    const state = stateAfter([{ ...started, config } as typeof started, ...rest])
    assert.deepEqual(progressOf(state), { done: 60 * 8 * 64, target: 61_440, unit: 'tokens', share: 0.5 })
  })

  it('has no share on the way to a loss', () => {
    const [started, ...rest] = runRecords(6)
    const config = runSchema.parse({ stop: { loss: 2 } })
    const state = stateAfter([{ ...started, config } as typeof started, ...rest])
    assert.deepEqual(progressOf(state), { done: 3.25, target: 2, unit: 'nats', share: null })
    assert.equal(remainingMs(state), null)
  })

  it('tells the time left from the pace since the first version', () => {
    // Version 1 at 10 s, version 6 at 15 s, last record at 16 s: 5 versions in 6 s, 6 to go.
    assert.equal(Math.round(remainingMs(stateAfter(runRecords(6))) ?? 0), 7200)
    assert.equal(remainingMs(stateAfter(runRecords(1))), null)
  })
})
