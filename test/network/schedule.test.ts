// Which chunk is asked of whom: laws that hold whatever the donors do, and what is preferred.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type PeerId, peerId } from '../../src/core/ids.js'
import { ChunkSet } from '../../src/network/bulk/chunk-list.js'
import { Schedule } from '../../src/network/bulk/schedule.js'

const [self, a, b, c] = ['me', 'a', 'b', 'c'].map(peerId)
const some = (count: number, indices: readonly number[]): ChunkSet => {
  const set = new ChunkSet(count)
  for (const index of indices) set.add(index)
  return set
}
const schedule = (count: number, me: PeerId = self) => new Schedule(me, new ChunkSet(count), () => 0.5)
const all = (from: Schedule, peer: PeerId): number[] => {
  const taken: number[] = []
  for (let index = from.next(peer); index !== null; index = from.next(peer)) taken.push(index)
  return taken
}
const sorted = (numbers: readonly number[]) => [...numbers].sort((x, y) => x - y)

describe('A schedule', () => {
  it('asks each donor only for what it holds, and brings everything, whoever leaves', () => {
    const step = fc.record({ donor: fc.nat(2), does: fc.constantFrom('ask', 'bring', 'leave', 'return') })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.array(step, { maxLength: 200 }), (count, steps) => {
        const plan = schedule(count)
        const peers = [a, b, c]
        const has = (peer: PeerId, index: number) => peer === a || index % 2 === (peer === b ? 0 : 1)
        const held = (peer: PeerId) =>
          some(
            count,
            Array.from({ length: count }, (_, i) => i).filter((i) => has(peer, i)),
          )
        const asked = new Map<PeerId, number[]>(peers.map((peer) => [peer, []]))
        const arrived = new Set<number>()
        const bring = (peer: PeerId) => {
          const index = asked.get(peer)?.shift()
          if (index === undefined) return
          arrived.add(index)
          for (const other of plan.arrived(index)) {
            asked.set(
              other,
              (asked.get(other) ?? []).filter((one) => one !== index),
            )
          }
        }
        const ask = (peer: PeerId) => {
          plan.measured(peer, 1)
          const index = plan.next(peer)
          if (index === null) return
          assert(has(peer, index) && !arrived.has(index))
          asked.get(peer)?.push(index)
        }
        for (const peer of peers) plan.join(peer, held(peer), true)
        for (const { donor, does } of steps) {
          const peer = peers[donor]
          if (does === 'ask') ask(peer)
          else if (does === 'bring') bring(peer)
          else if (does === 'leave') {
            plan.leave(peer)
            asked.set(peer, [])
          } else {
            plan.join(peer, held(peer), true)
            asked.set(peer, [])
          }
        }
        plan.leave(b)
        plan.leave(c)
        plan.join(a, held(a), true)
        asked.set(a, all(plan, a))
        while (asked.get(a)?.length) bring(a)
        assert(plan.isComplete && plan.isIdle)
        assert.equal(arrived.size, count)
      }),
    )
  })

  it('asks for the chunk that the fewest others hold', () => {
    const plan = schedule(4)
    plan.join(a, ChunkSet.all(4), true)
    plan.join(b, some(4, [0, 1, 3]), true)
    assert.equal(plan.next(a), 2)
    plan.gained(b, 2)
    assert.deepEqual(sorted(all(plan, b)), [0, 1, 3])
  })

  it('asks no other cluster for what the own one holds', () => {
    const plan = schedule(4)
    plan.join(a, ChunkSet.all(4), false)
    plan.join(b, ChunkSet.all(4), true)
    assert.equal(plan.next(a), null)
    assert.equal(all(plan, b).length, 4)
    plan.leave(b)
    assert.deepEqual(sorted(all(plan, a)), [0, 1, 2, 3])
  })

  it('shares what only another cluster holds with those who take it here: each chunk crosses for one', () => {
    const crossing = [a, b, c].map((me) => {
      const plan = schedule(9, me)
      plan.join(self, ChunkSet.all(9), false)
      for (const fellow of [a, b, c]) if (fellow !== me) plan.join(fellow, new ChunkSet(9), true)
      return all(plan, self)
    })
    assert.deepEqual(sorted(crossing.flat()), [0, 1, 2, 3, 4, 5, 6, 7, 8])
    assert.deepEqual(
      crossing.map(({ length }) => length),
      [3, 3, 3],
    )
  })

  it('asks another cluster for everything once fellows do not bring their share', () => {
    const plan = schedule(4)
    plan.join(a, ChunkSet.all(4), false)
    plan.join(b, new ChunkSet(4), true)
    assert.equal(all(plan, a).length, 2)
    plan.giveUpShares()
    assert.equal(all(plan, a).length, 2)
  })

  it('asks twice only towards the end, and seldom', () => {
    const plan = schedule(100)
    plan.join(a, ChunkSet.all(100), true)
    plan.join(b, ChunkSet.all(100), true)
    plan.measured(a, 1)
    plan.measured(b, 1)
    const asked = all(plan, a)
    assert.equal(asked.length, 100, 'all is asked of the one')
    assert.deepEqual(all(plan, b), asked.reverse().slice(0, 5), 'and the last of it of the other')
  })

  it('asks no donor as slow as the one that is asked already', () => {
    const plan = schedule(1)
    plan.join(a, ChunkSet.all(1), true)
    plan.join(b, ChunkSet.all(1), true)
    plan.measured(a, 1)
    plan.measured(b, 1.5)
    assert.equal(plan.next(a), 0)
    assert.equal(plan.next(b), null)
    plan.measured(b, 3)
    assert.equal(plan.next(b), 0)
    assert.deepEqual([...plan.arrived(0)].sort(), [a, b].sort())
  })
})
