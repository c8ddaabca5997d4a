// What coding loses is sent later, whatever becomes of the rounds.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Codec } from '../../src/tensor/codec.js'
import { codecs, codecsOf } from '../../src/tensor/codec.js'
import { compress, positionAfter, type Residual, withoutRound } from '../../src/tensor/error-feedback.js'
import { norm } from '../../src/tensor/vector.js'

const length = 12
const all = [...codecsOf({ codec: 'auto', density: 0.25 }).values()]
const vector = fc
  .array(fc.integer({ min: -1000, max: 1000 }), { minLength: length, maxLength: length })
  .map((values) => Float32Array.from(values, (value) => value / 64))

interface Round {
  readonly g: Float32Array
  readonly sent: Float32Array
  readonly residual: Residual | null
}

/** Rounds of a worker, and when the verdict on each comes: so many rounds later, applied or not. */
const program = fc.array(
  fc.record({
    g: vector,
    codec: fc.constantFrom(...all),
    after: fc.nat(4),
    applied: fc.boolean(),
  }),
  { minLength: 1, maxLength: 12 },
)

const zeros: readonly number[] = new Array<number>(length).fill(0)
const plus = (sum: readonly number[], values: Float32Array) => sum.map((value, i) => value + values[i])

describe('Error feedback', () => {
  it('leaves what was applied and the residual adding up to the pseudo-gradients applied, in every order of verdicts', () => {
    fc.assert(
      fc.property(program, (rounds) => {
        let residual: Float32Array | null = null
        const open: { round: Round; due: number; applied: boolean }[] = []
        let sent = zeros
        let truth = zeros
        const settle = (now: number) => {
          for (const one of open.filter(({ due }) => due <= now)) {
            open.splice(open.indexOf(one), 1)
            const { round, applied } = one
            if (applied) {
              sent = plus(sent, round.sent)
              truth = plus(truth, round.g)
            } else if (residual !== null && round.residual !== null)
              residual = withoutRound(residual, round.residual)
          }
        }
        for (const [i, { g, codec, after, applied }] of rounds.entries()) {
          const { payload, residual: made } = compress(g, residual, codec)
          residual = made?.after ?? null
          const round = { g, sent: codec.decode(payload, length), residual: made }
          open.push({ round, due: i + after, applied })
          settle(i)
        }
        settle(Number.POSITIVE_INFINITY)
        const total = residual === null ? sent : plus(sent, residual)
        for (const [i, value] of truth.entries())
          assert.ok(Math.abs(total[i] - value) < 1e-3, `at ${i}: ${total[i]} instead of ${value}`)
      }),
      { numRuns: 300 },
    )
  })

  it('gives back the very residual before when the newest round is refused', () => {
    const before = Float32Array.of(0.1, 0.2, 0.3)
    const { residual } = compress(Float32Array.of(1, 2, 3), before, codecs.int4)
    assert.ok(residual !== null)
    assert.equal(withoutRound(residual.after, residual), before)
  })

  it('keeps nothing where nothing is lost', () => {
    const g = Float32Array.of(3, 4)
    const { payload, residual, norm: length } = compress(g, null, codecs.fp32)
    assert.deepEqual(codecs.fp32.decode(payload, 2), g)
    assert.deepEqual([residual, length], [null, 5])
  })

  it('sends all that is owed when an exact codec takes the place of a coarse one', () => {
    const lost = compress(Float32Array.of(1, 0.03, -0.02), null, codecs.int4).residual?.after ?? assert.fail()
    assert.ok(norm(lost) > 0)
    const { residual } = compress(Float32Array.of(1, 1, 1), lost, codecs.fp32)
    assert.deepEqual(residual?.after, new Float32Array(3))
  })

  it('says the norm of what is decoded', () => {
    const g = Float32Array.from({ length: 300 }, (_, i) => Math.cos(i))
    for (const codec of all) {
      const { payload, norm: said } = compress(g, null, codec)
      assert.equal(said, norm(codec.decode(payload, g.length)))
    }
  })
})

describe("A worker's position after a round", () => {
  const end = (codec: Codec) => {
    const start = Float32Array.of(1, 2, 3, 4)
    const g = Float32Array.of(0.5, -0.25, 0.125, 1)
    const owed = Float32Array.of(8, -8, 4, 2)
    const { payload, residual } = compress(g, owed, codec)
    return positionAfter(start, codec.decode(payload, 4), residual)
  }

  it('is its start less its own displacement, whatever was sent of it or owed before', () => {
    for (const codec of all)
      for (const [i, value] of end(codec).entries())
        assert.ok(Math.abs(value - [0.5, 2.25, 2.875, 3][i]) < 1e-5, `${codec.name}: ${value}`)
  })
})
