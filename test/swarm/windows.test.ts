// Grace windows (Alg. 2, 4, 5) as the leader holds them: whom it waits for, and for whom it does not.
import assert from 'node:assert/strict'
import { simulate } from './swarms.js'

/** Versions that a window's assignments start from, with the workers, in order. */
function windowsOf(swarm: ReturnType<typeof simulate>) {
  const windows = new Map<number, { workers: string[]; versions: Set<number>; at: number }>()
  for (const { window, worker, version, at } of swarm.of('assigned')) {
    const found = windows.get(window) ?? { workers: [], versions: new Set(), at }
    found.workers.push(worker)
    found.versions.add(version)
    windows.set(window, found)
  }
  return [...windows.values()]
}

describe('A grace window', () => {
  it('of a run whose peers start together holds all of them, again and again', () => {
    const swarm = simulate({ changes: { localSteps: 30 } })
      .startAll()
      .run()
    for (const { workers } of windowsOf(swarm))
      assert.deepEqual([...workers].sort(), ['alice', 'bob', 'carol'])
  })

  it('is not waited out for a worker that is not expected in it', () => {
    const devices = [
      { name: 'alice', cluster: 'lake', secondsPerStep: 0.1 },
      { name: 'bob', cluster: 'lake', secondsPerStep: 0.1 },
    ]
    const changes = { dylu: false, startPeers: 2, grace: 0.4, stop: { versions: 40 } }
    const swarm = simulate({ devices, changes }).startAll().run(5_000)
    const bob = swarm.peers.get('bob')
    assert.ok(bob !== undefined)
    // From now on a round of bob's takes three of alice's.
    Object.assign(bob, { device: { ...bob.device, secondsPerStep: 0.3 } })
    swarm.run(30_000)
    const waits = swarm.of('assigned').flatMap(({ worker, at }) => {
      const arrived = swarm.of('applied').findLast((applied) => applied.worker === worker && applied.at <= at)
      return worker === 'alice' && arrived !== undefined && arrived.at > 15_000 ? [at - arrived.at] : []
    })
    assert.ok(waits.length > 5)
    assert.ok(waits.filter((wait) => wait < 50).length >= waits.length / 2, `alice waited ${waits} ms`)
  })

  it('that may last for ever makes the swarm synchronous', () => {
    const changes = { grace: 1e6, dylu: false, stop: { versions: 12 } }
    const swarm = simulate({ changes }).startAll().run()
    for (const { workers, versions } of windowsOf(swarm)) {
      assert.equal(workers.length, 3)
      assert.equal(versions.size, 1)
    }
  })
})
