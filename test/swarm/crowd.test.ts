// Two hundred peers in one swarm, and one who comes late to a small one.
import assert from 'node:assert/strict'
import type { SimulatedSwarm } from '../../src/simulate/swarm.js'
import { equals, simulate } from './swarms.js'

describe('A swarm of 200 peers', () => {
  const peers = 200
  const rounds = 2
  const changes = {
    startPeers: peers,
    replicas: 5,
    data: { shards: peers },
    stop: { versions: peers * rounds },
  }
  const swarm = simulate({ devices: equals(peers, 0.2), changes })

  it('trains, and keeps every promise', () => {
    const before = process.cpuUsage()
    swarm.startAll().run(60_000)
    const { user, system } = process.cpuUsage(before)
    assert.equal(swarm.of('run-finished')[0].versions, peers * rounds)
    assert.ok(user + system < 10e6, `${((user + system) / 1e6).toFixed(1)} s of processor time`)
  })

  it('has taken a contribution of everyone, and ended for everyone', () => {
    assert.equal(new Set(swarm.of('applied').map(({ worker }) => worker)).size, peers)
    for (const { name, outcome } of swarm.peers.values()) assert.equal(outcome, 'finished', name)
  })
})

describe('A peer that comes late', () => {
  /** One of these workers takes so long for a round, ms: ten steps of 0.2 s. */
  const roundMs = 2_000
  const devices = equals(5, 0.2)
  const late = devices[4].name
  const swarm = simulate({ devices, changes: { startPeers: 4, replicas: 3, stop: { versions: 40 } } })
  for (const { name } of devices.slice(0, 4)) swarm.start(name)
  swarm.run(7_100)
  swarm.start(late)
  const cameAt = swarm.clock.now
  swarm.run(120_000)

  it('has trained a round within the time of two from its coming, and is one of them to the end', () => {
    const [joined] = swarm.of('joined').filter(({ name }) => name === late)
    const [assigned] = swarm.of('assigned').filter(({ worker }) => worker === late)
    const applied = swarm.of('applied').filter(({ worker }) => worker === late)
    assert.ok(joined.at - cameAt < 500, `taken in after ${joined.at - cameAt} ms`)
    assert.ok(assigned.at - joined.at < roundMs, `given work after ${assigned.at - joined.at} ms`)
    assert.ok(applied[0].at - joined.at < 2 * roundMs, `contributed after ${applied[0].at - joined.at} ms`)
    assert.ok(applied.length >= 4)
  })

  it('is waited for by nobody: the others pause between rounds no longer than before', () => {
    const longest = (fromMs: number, untilMs: number) =>
      Math.max(...devices.slice(0, 4).flatMap(({ name }) => pauses(swarm, name, fromMs, untilMs)))
    const [before, after] = [longest(0, cameAt), longest(cameAt, cameAt + 3 * roundMs)]
    assert.ok(after <= before + 50, `${after} ms, before ${before} ms`)
  })
})

/** ms from each of a worker's contributions to its next assignment. */
function pauses(swarm: SimulatedSwarm, name: string, fromMs: number, untilMs: number): number[] {
  const given = swarm.of('assigned').filter(({ worker }) => worker === name)
  return swarm
    .of('applied')
    .filter(({ worker, at }) => worker === name && at >= fromMs && at < untilMs)
    .flatMap(({ at }) => {
      const next = given.find((assigned) => assigned.at >= at)
      return next === undefined ? [] : [next.at - at]
    })
}
