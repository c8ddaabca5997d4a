// Which tokens a local step reads.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { UserError } from '../../src/core/user-error.js'
import { batchOf, heldOutBatches, shardSizes } from '../../src/outer/batches.js'

/** Tokens that tell their own place. */
const numbered = (length: number): Uint16Array => Uint16Array.from({ length }, (_, i) => i)
const rowsOf = (ids: Int32Array, context: number): number[][] =>
  Array.from({ length: ids.length / (context + 1) }, (_, row) =>
    Array.from(ids.subarray(row * (context + 1), (row + 1) * (context + 1))),
  )

const cases = fc
  .record({
    context: fc.integer({ min: 1, max: 20 }),
    shards: fc.integer({ min: 1, max: 5 }),
    extra: fc.nat(300),
    seed: fc.nat(),
  })
  .map(({ context, shards, extra, seed }) => ({
    context,
    shards,
    seed,
    tokens: numbered(shards * (context + 1) + extra),
  }))

describe('The batches of a shard', () => {
  it('visit every window of the shard once per epoch, and no token of another shard', () => {
    fc.assert(
      fc.property(cases, fc.nat(3), ({ context, shards, tokens, seed }, epoch) => {
        const sizes = shardSizes(tokens.length, shards, context)
        for (let shard = 0; shard < shards; shard++) {
          const from = Math.floor((tokens.length * shard) / shards)
          const to = Math.floor((tokens.length * (shard + 1)) / shards)
          const targets = new Set<number>()
          for (let i = 0; i < sizes[shard]; i++) {
            const [row] = rowsOf(
              batchOf(tokens, shard, shards, 1, context, epoch * sizes[shard] + i, seed),
              context,
            )
            for (const [t, id] of row.entries()) {
              assert.ok(id >= from && id < to)
              if (t > 0) {
                assert.equal(id, row[t - 1] + 1 === to ? from : row[t - 1] + 1)
                targets.add(id)
              }
            }
          }
          assert.equal(targets.size, sizes[shard] * context)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('are the same sequences in the same order, however large the batch', () => {
    fc.assert(
      fc.property(cases, fc.integer({ min: 1, max: 7 }), fc.nat(20), (made, batch, position) => {
        const { context, shards, tokens, seed } = made
        const whole = batchOf(tokens, 0, shards, batch, context, position, seed)
        const singly = Array.from({ length: batch }, (_, row) =>
          Array.from(batchOf(tokens, 0, shards, 1, context, position * batch + row, seed)),
        )
        assert.deepEqual(rowsOf(whole, context), singly)
      }),
    )
  })

  it('cut other windows in the next epoch, and visit them in another order', () => {
    const firsts = (epoch: number) =>
      Array.from({ length: 100 }, (_, i) => batchOf(numbered(1000), 0, 1, 1, 10, epoch * 100 + i, 4)[0])
    const [a, b] = [firsts(0), firsts(1)]
    assert.notEqual(a[0] % 10, b[0] % 10)
    // Steps around the ring from one window to the next do not depend on the offset, only on the order.
    const jumps = (starts: number[]) => starts.slice(1).map((start, i) => (start - starts[i] + 1000) % 1000)
    assert.notDeepEqual(jumps(a), jumps(b))
    assert.ok(new Set(jumps(a)).size > 10)
  })

  it('differ by seed and by shard', () => {
    const places = (shard: number, seed: number) =>
      Array.from(batchOf(numbered(2000), shard, 2, 8, 10, 0, seed), (id) => id - 1000 * shard)
    assert.notDeepEqual(places(0, 1), places(0, 2))
    assert.notDeepEqual(places(0, 1), places(1, 1))
  })

  it('predict every token equally often over many epochs, those at the edges too', () => {
    const counts = new Array<number>(11).fill(0)
    const epochs = 3000
    for (let point = 0; point < 3 * epochs; point++) {
      for (const id of batchOf(numbered(11), 0, 1, 1, 3, point, 8).subarray(1)) counts[id]++
    }
    const expected = (9 / 11) * epochs
    for (const [id, count] of counts.entries()) {
      assert.ok(Math.abs(count - expected) < 0.04 * expected, `token ${id}: ${count} against ${expected}`)
    }
  })
})

describe('The sizes of shards', () => {
  it('are in sequences, and differ by one at most', () => {
    assert.deepEqual(shardSizes(100, 1, 10), [10])
    assert.deepEqual(shardSizes(103, 4, 10), [2, 2, 2, 2])
    assert.deepEqual(shardSizes(59, 2, 10), [2, 3])
  })
  it('are refused when a shard is shorter than a sequence, saying how many shards there may be', () => {
    const refusal = (remedy: RegExp) => (error: unknown) =>
      error instanceof UserError && error.kind === 'data' && remedy.test(error.remedy)
    assert.throws(() => shardSizes(50, 5, 10), refusal(/at most 4 shards/))
    assert.throws(() => batchOf(numbered(50), 0, 5, 1, 10, 0, 1), refusal(/at most 4 shards/))
    assert.deepEqual(shardSizes(50, 4, 10), [1, 1, 1, 1])
    assert.throws(() => shardSizes(10, 1, 10), refusal(/^use a larger corpus, or a shorter context/))
    assert.throws(() => shardSizes(0, 1, 10), refusal(/larger corpus/))
  })
})

describe('The held-out batches', () => {
  it('are contiguous sequences of which no two share a target, spread over the whole part', () => {
    const sizes = fc.record({
      context: fc.integer({ min: 1, max: 20 }),
      batch: fc.integer({ min: 1, max: 6 }),
      batches: fc.integer({ min: 1, max: 6 }),
      extra: fc.nat(500),
    })
    fc.assert(
      fc.property(sizes, ({ context, batch, batches, extra }) => {
        const tokens = numbered(context + 1 + extra)
        const made = heldOutBatches(tokens, batch, context, batches)
        assert.ok(made.length >= 1 && made.length <= batches)
        const rows = made.flatMap((ids) => rowsOf(ids, context))
        for (const row of rows) {
          assert.ok(row.at(-1)! < tokens.length)
          for (let t = 1; t <= context; t++) assert.equal(row[t], row[t - 1] + 1)
        }
        const starts = rows.map(([first]) => first)
        const windows = Math.floor((tokens.length - 1) / context)
        for (let i = 1; i < starts.length; i++) {
          const gap = starts[i] - starts[i - 1]
          assert.ok(gap >= context && gap <= Math.ceil(windows / rows.length) * context)
        }
        // All full batches that fit, up to the number asked for; less than one batch is one smaller batch.
        assert.equal(
          rows.length,
          Math.min(batch * Math.max(1, Math.min(batches, Math.floor(windows / batch))), windows),
        )
        assert.deepEqual(heldOutBatches(tokens, batch, context, batches), made)
      }),
    )
  })
  it('are refused from a part shorter than one sequence, saying what to do', () => {
    assert.throws(
      () => heldOutBatches(numbered(10), 4, 10, 2),
      (error) =>
        error instanceof UserError && /10 tokens.* 11/.test(error.message) && /heldOut/.test(error.remedy),
    )
    assert.equal(heldOutBatches(numbered(11), 4, 10, 2).length, 1)
  })
})
