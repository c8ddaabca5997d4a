// Which faults are drawn from a seed.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type Fault, scheduleFaults } from '../../src/faults/schedule.js'
import type { FaultsConfig } from '../../src/swarmfile/schema.js'

const peers = ['anser', 'branta', 'cygnus', 'fulmar', 'petrel']
const config: FaultsConfig = {
  seed: 1,
  kills: 4,
  pauses: 2,
  partitions: 3,
  everySeconds: [4, 8],
  restartAfterSeconds: 4,
}
const kindsOf = (faults: readonly Fault[]) => faults.map(({ kind }) => kind).sort()
const configs = fc.record({
  seed: fc.nat(),
  kills: fc.nat(20),
  pauses: fc.nat(20),
  partitions: fc.nat(20),
  everySeconds: fc
    .tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 20 }))
    .map(([least, more]): [number, number] => [least, least + more]),
  restartAfterSeconds: fc.integer({ min: 1, max: 20 }),
})

describe('A schedule of faults', () => {
  it('is the same for the same seed and another one for another', () => {
    assert.deepEqual(scheduleFaults(config, peers, 2), scheduleFaults(config, peers, 2))
    assert.notDeepEqual(scheduleFaults(config, peers, 2), scheduleFaults({ ...config, seed: 2 }, peers, 2))
  })

  it('holds as many of each kind as were asked for, with every kind of partition in turn', () => {
    assert.deepEqual(kindsOf(scheduleFaults(config, peers, 2)), [
      'isolate',
      'kill',
      'kill',
      'kill',
      'kill',
      'mute',
      'pause',
      'pause',
      'split',
    ])
  })

  it('parts no clusters where there is only one', () => {
    const faults = scheduleFaults({ ...config, partitions: 10 }, peers, 1)
    assert.ok(!faults.some(({ kind }) => kind === 'split'))
  })

  it('keeps to the times that were asked for, and considers every peer once', () => {
    fc.assert(
      fc.property(configs, (asked) => {
        let before = 0
        for (const { atMs, forMs, kind, order } of scheduleFaults(asked, peers, 2)) {
          const gap = (atMs - before) / 1000
          assert.ok(
            gap >= asked.everySeconds[0] - 0.001 && gap <= asked.everySeconds[1] + 0.001,
            `gap ${gap}`,
          )
          before = atMs
          const factor = forMs / 1000 / asked.restartAfterSeconds
          if (kind === 'kill') assert.equal(factor, 1)
          else assert.ok(factor >= 0.499 && factor <= 2.001, `factor ${factor}`)
          assert.deepEqual([...order].sort(), peers)
        }
      }),
    )
  })

  it('does not always befall the same peers in the same order', () => {
    const faults = scheduleFaults({ ...config, kills: 30 }, peers, 2)
    assert.ok(new Set(faults.map(({ order }) => order[0])).size === peers.length)
    const leaders = faults.filter(({ leader }) => leader).length
    assert.ok(leaders > 5 && leaders < 30, `${leaders} of ${faults.length} are meant for the leader`)
  })
})
