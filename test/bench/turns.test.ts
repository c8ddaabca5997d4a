// How the sides of a row take turns.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type Side, takeTurns } from '../../src/bench/turns.js'

/** Every request in order; the n-th step of a side takes n ms, its n-th product n GFLOP/s. */
class Record {
  readonly requests: string[] = []

  side(name: string, products = true): Side {
    let steps = 0
    let rate = 0
    return {
      steps: {
        steps: async (count) => {
          this.requests.push(`${name} ${count}`)
          return Array.from({ length: count }, () => ++steps)
        },
        peakBytes: async () => 5,
      },
      products: products
        ? {
            sgemm: async (size) => {
              this.requests.push(`${name} product ${size}`)
              return ++rate
            },
          }
        : null,
    }
  }
}

const ignore = () => {}

describe('The turns of a row', () => {
  it('alternate between the engine and PyTorch after both have warmed up', async () => {
    const record = new Record()
    const contest = { engine: record.side('ours'), torch: record.side('torch'), onGpu: false }
    await takeTurns(contest, 2, ignore, 0)
    const round = ['ours 2', 'ours product 2048', 'torch 2', 'torch product 2048']
    assert.deepEqual(record.requests, ['ours 2', 'torch 2', ...round, ...round])
  })

  it('leave out the steps that warm up and the first of each turn, and keep the best product', async () => {
    const contest = { engine: new Record().side('ours'), torch: null, onGpu: false }
    const { engine, torch } = await takeTurns(contest, 3, ignore, 0)
    // Steps 1 and 2 warm up; then come three turns of two.
    assert.deepEqual(engine, { ms: [4, 6, 8], peakBytes: 5, sgemmGflops: 3 })
    assert.equal(torch, null)
  })

  it('time as many steps of each side as asked for, in at most five rounds', () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 40 }), async (steps) => {
        const record = new Record()
        const contest = { engine: record.side('ours'), torch: record.side('torch', false), onGpu: false }
        const { engine, torch } = await takeTurns(contest, steps, ignore, 0)
        assert.equal(engine.ms.length, steps)
        assert.equal(torch?.ms.length, steps)
        const turns = record.requests.filter((request) => request.startsWith('ours product')).length
        assert.equal(turns, Math.min(5, steps))
      }),
      { numRuns: 30 },
    ))

  it('take many quick steps and few slow ones where their number is not given', async () => {
    const pace = (ms: number): Side => ({
      steps: { steps: async (count) => Array.from({ length: count }, () => ms), peakBytes: async () => null },
      products: null,
    })
    const count = async (ms: number) => {
      const contest = { engine: pace(ms), torch: null, onGpu: false }
      return (await takeTurns(contest, null, ignore, 0)).engine.ms.length
    }
    assert.deepEqual(await Promise.all([count(1), count(100), count(60_000)]), [200, 100, 10])
  })

  it('leave the memory of a GPU blank and multiply larger matrices there', async () => {
    const record = new Record()
    const { engine } = await takeTurns(
      { engine: record.side('ours'), torch: null, onGpu: true },
      1,
      ignore,
      0,
    )
    assert.equal(engine.peakBytes, null)
    assert.ok(record.requests.includes('ours product 4096'))
  })

  it('tell how much of the row is done, from nothing to all', async () => {
    const shares: number[] = []
    const contest = { engine: new Record().side('ours'), torch: null, onGpu: false }
    await takeTurns(contest, 4, (share, leftMs) => shares.push(share) && assert.ok(leftMs >= 0), 0)
    assert.deepEqual(shares, [0, 0.25, 0.5, 0.75, 1])
  })
})
