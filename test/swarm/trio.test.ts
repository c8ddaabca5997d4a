// A trio of unequal peers in virtual time: the way of a whole run through the production core.
import assert from 'node:assert/strict'
import { simulate } from './swarms.js'

describe('A simulated trio', () => {
  // Rounds long enough for the `auto` grace window to cover one step of the slowest worker.
  const changes = { localSteps: 30 }
  const swarm = simulate({ changes }).startAll().run()

  it('finishes by itself on every peer', () => {
    assert.deepEqual(
      [...swarm.peers.values()].map(({ outcome }) => outcome),
      ['finished', 'finished', 'finished'],
    )
    const [finished] = swarm.of('run-finished')
    assert.equal(finished.versions, 24)
    assert.equal(swarm.of('applied').length, 24)
  })

  it('ends with a lower validation loss than it began with', () => {
    const [finished] = swarm.of('run-finished')
    assert.ok(finished.lossBefore !== null && finished.loss !== null)
    assert.ok(finished.loss < finished.lossBefore / 2, `${finished.lossBefore} -> ${finished.loss}`)
  })

  it('holds every version with one digest on every replica', () => {
    const digests = new Map<number, Set<string>>()
    for (const { version, stateDigest } of swarm.of('digest')) {
      digests.set(version, (digests.get(version) ?? new Set()).add(String(stateDigest)))
    }
    assert.equal(digests.size, 25)
    for (const [version, found] of digests) assert.equal(found.size, 1, `version ${version}`)
    for (const name of swarm.peers.keys()) {
      const versions = swarm.of('digest').filter((report) => report.peer === name)
      assert.equal(versions.at(-1)?.version, 24, `${name} holds the last version`)
    }
  })

  it('gives each worker steps in proportion to its speed (Eq. 6)', () => {
    const steps = new Map(swarm.of('assigned').map(({ worker, steps }) => [worker, steps]))
    assert.deepEqual(Object.fromEntries(steps), { alice: 30, bob: 20, carol: 12 })
  })

  it('lets workers that finish within the grace window restart from one version', () => {
    const windows = new Map<number, Set<number>>()
    for (const { window, version } of swarm.of('assigned')) {
      windows.set(window, (windows.get(window) ?? new Set()).add(version))
    }
    for (const versions of windows.values()) assert.equal(versions.size, 1)
    const together = swarm.of('assigned').length / windows.size
    assert.ok(together > 2, `${together} workers per window`)
  })

  it('gives the same reports again for the same seed', () => {
    assert.deepEqual(simulate({ changes }).startAll().run().reports, swarm.reports)
  })
})
