// A round of a worker: trained, durable, told; its contribution kept until the verdict.
import assert from 'node:assert/strict'
import { assignmentId } from '../../src/core/ids.js'
import type { WorkerRecords } from '../../src/node/rounds.js'
import { RoundAborted } from '../../src/ports/trainer.js'
import { contributionOf } from './fakes.js'
import { assignment, noRecords, resultOf, roundsWith, theta } from './worker-rounds.js'

describe('A round', () => {
  it('reports its steps and ends in a durable contribution to its assignment', async () => {
    const saved: unknown[] = []
    const records: WorkerRecords = {
      ...noRecords,
      save: async ({ contribution: { manifest } }) => {
        assert.equal(
          events.all.some(({ type }) => type === 'trained'),
          false,
          'not told before it is durable',
        )
        saved.push(manifest.payload)
      },
    }
    const { events, rounds } = roundsWith(
      async (round, onStep) => {
        assert.deepEqual(round, { theta, shard: 1, position: 20, steps: 5 })
        onStep({ step: 1, loss: 3, learningRate: 0.1, ms: 100 })
        return resultOf([3, 4])
      },
      { records },
    )
    rounds.train(assignment, theta, [], 'fp32')
    const { manifest } = await events.next('trained')
    assert.deepEqual(events.all[0], { type: 'stepped', assignment: assignment.id, step: 1, loss: 3, ms: 100 })
    const { assignment: id, base, steps, norm, speed, loss } = manifest
    assert.deepEqual(
      { id, base, steps, norm, speed, loss },
      { id: assignment.id, base: 4, steps: 5, norm: 5, speed: 10, loss: 2 },
    )
    assert.deepEqual(saved, [manifest.payload])
    assert.equal(rounds.held(manifest.payload)?.length, 8)
  })

  it('whose pseudo-gradient is not finite is given up with the reason, and nothing of it is kept', async () => {
    const records = { ...noRecords, save: () => assert.fail('it is not saved') }
    const { events, rounds } = roundsWith(() => Promise.resolve(resultOf([1, Number.POSITIVE_INFINITY])), {
      records,
    })
    rounds.train(assignment, theta, [], 'fp32')
    assert.match((await events.next('training-failed')).reason, /Infinity at parameter 1; it is not sent/)
  })

  it('whose engine fails is given up with the reason', async () => {
    const { events, rounds } = roundsWith(() => Promise.reject(new Error('out of memory')))
    rounds.train(assignment, theta, [], 'fp32')
    assert.equal((await events.next('training-failed')).reason, 'out of memory')
  })

  it('that is aborted is not told of', async () => {
    const { events, rounds } = roundsWith(() => Promise.reject(new RoundAborted('aborted')))
    rounds.train(assignment, theta, [], 'fp32')
    await new Promise(setImmediate)
    assert.deepEqual(events.all, [])
  })

  it('that cannot be made durable ends the peer and is not told of', async () => {
    const full = new Error('the disk is full')
    const records = { ...noRecords, save: () => Promise.reject(full) }
    const failed = new Promise<unknown>((resolve) => {
      const { events, rounds } = roundsWith(() => Promise.resolve(resultOf([3, 4])), {
        records,
        fail: (error) => {
          assert.deepEqual(events.all, [])
          resolve(error)
        },
      })
      rounds.train(assignment, theta, [], 'fp32')
    })
    assert.equal(await failed, full)
  })
})

describe('A round that goes on from own contributions which its version lacks', () => {
  it('starts where this worker stood after them', async () => {
    const { events, rounds } = roundsWith(async (round) => {
      assert.deepEqual(round.theta, Float32Array.of(1 - 3 - 0.5, 1 - 4 - 0.25))
      return resultOf([1, 1])
    })
    const ids = [assignmentId(5), assignmentId(6)]
    for (const [i, gradient] of [
      [3, 4],
      [0.5, 0.25],
    ].entries()) {
      const { manifest, payload } = contributionOf(gradient, { assignment: ids[i] })
      rounds.restore({ contributions: [{ manifest, payload, residual: null }], residual: null })
    }
    rounds.train(assignment, theta, ids, 'fp32')
    assert.equal((await events.next('trained')).manifest.base, 4)
    assert.deepEqual(theta, Float32Array.of(1, 1), 'the version itself stays as it was')
  })
})

describe('A finished contribution', () => {
  it('is kept over the verdict on another assignment, and settled by the one on its own', async () => {
    let settle: (verdict: unknown) => void
    const settled = new Promise((resolve) => (settle = resolve))
    const records: WorkerRecords = { ...noRecords, settle: async (...verdict) => settle(verdict) }
    const { rounds } = roundsWith(() => assert.fail('nothing is trained'), { records })
    const { manifest, payload } = contributionOf([3, 4], { assignment: assignment.id })
    rounds.restore({ contributions: [{ manifest, payload, residual: null }], residual: null })
    rounds.forget(assignmentId(6), 'refuse')
    assert.equal(rounds.payload(manifest), payload)
    rounds.forget(assignment.id, 'apply')
    assert.equal(rounds.payload(manifest), null)
    assert.equal(rounds.held(manifest.payload), null)
    assert.deepEqual(await settled, [assignment.id, 'apply'])
  })

  it('counts for nothing when nobody said how it ended', async () => {
    let settle: (outcome: unknown) => void
    const settled = new Promise((resolve) => (settle = resolve))
    const records: WorkerRecords = { ...noRecords, settle: async (_, outcome) => settle(outcome) }
    const { rounds } = roundsWith(() => assert.fail('nothing is trained'), { records })
    const { manifest, payload } = contributionOf([3, 4], { assignment: assignment.id })
    rounds.restore({ contributions: [{ manifest, payload, residual: null }], residual: null })
    rounds.forget(assignment.id, null)
    assert.equal(await settled, 'expire')
  })
})
