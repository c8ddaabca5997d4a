// Alg. 3: delayed Nesterov line by line, and the laws that follow from it.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { initialState, type OuterState, outerOptimizer } from '../../src/outer/optimizer.js'
import { assertClose, assertSame, copyOf, madeVectors, outerOptions, vectorOf } from './made.js'

const delayed = outerOptimizer('delayed-nesterov')
const length = 5
/** Rounding of one fp32 operation, on numbers up to 8: all that occur below. */
const ulp = 8 * 2 ** -24

interface Parameters {
  readonly N: number
  readonly c: number
  readonly beta: number
  readonly eps: number
}
const optionsOf = ({ N, c, beta, eps }: Parameters) =>
  outerOptions({ bufferSize: N, activation: c, momentum: beta, learningRate: eps })

/** Any accepted parameters; c is given as a share of its bound 1/N. */
const parameters: fc.Arbitrary<Parameters> = fc
  .record({
    N: fc.integer({ min: 1, max: 16 }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    beta: fc.double({ min: 0.01, max: 0.95, noNaN: true }),
    eps: fc.double({ min: 0.01, max: 1, noNaN: true }),
  })
  .map(({ share, ...rest }) => ({ ...rest, c: share / rest.N }))

/** Alg. 3 as it is printed, in float64, on plain numbers. */
class Reference {
  t = 0
  m = 0
  Delta = 0
  constructor(
    private theta: number,
    private readonly p: Parameters,
  ) {}
  on(g: number): number {
    const { N, c, beta, eps } = this.p
    this.Delta += g
    if ((this.t + 1) % N === 0) {
      this.m = beta * this.m + this.Delta / N
      this.theta -= eps * ((1 - c * N + c) * beta * this.m + g / N)
      this.Delta = 0
    } else {
      this.theta -= eps * (c * beta * this.m + g / N)
    }
    this.t += 1
    return this.theta
  }
}

const run = (start: OuterState, gs: readonly Float32Array[], p: Parameters): OuterState =>
  gs.reduce((state, g) => delayed.apply(state, g, 1, optionsOf(p)), start)

describe('A delayed Nesterov step (Alg. 3)', () => {
  it('does line by line what the algorithm says, for any N, c, beta and eps', () => {
    fc.assert(
      fc.property(
        parameters,
        vectorOf(length),
        fc.array(vectorOf(length), { minLength: 1, maxLength: 20 }),
        (p, theta, gs) => {
          const references = Array.from(theta, (value) => new Reference(value, p))
          let state = initialState(theta, delayed)
          for (const [t, g] of gs.entries()) {
            state = delayed.apply(state, g, 1, optionsOf(p))
            const expected = references.map((reference, i) => reference.on(g[i]))
            const largest = Math.max(8, ...expected.map(Math.abs))
            const tolerance = (t + 1) * 8 * largest * 2 ** -24
            assertClose(state.theta, expected, tolerance, 'theta')
            assertClose(
              state.slots.momentum,
              references.map(({ m }) => m),
              tolerance,
              'm',
            )
            assertClose(
              state.slots.buffer,
              references.map(({ Delta }) => Delta),
              tolerance,
              'Delta',
            )
            assert.equal(state.phase, references[0].t % p.N)
          }
        },
      ),
    )
  })
  it('does not modify its input, and gives arrays of its own', () => {
    const vector = madeVectors(1)
    const p = { N: 2, c: 0.25, beta: 0.9, eps: 0.7 }
    const g = vector(length, 1)
    const gBefore = g.slice()
    let state = initialState(vector(length, 1), delayed)
    for (let step = 0; step < 4; step++) {
      const before = copyOf(state)
      const next = delayed.apply(state, g, 1, optionsOf(p))
      assert.deepEqual(state, before)
      assert.deepEqual(g, gBefore)
      const arrays = [state, next].flatMap(({ theta, slots }) => [theta, slots.momentum, slots.buffer, g])
      assert.equal(new Set(arrays.map(({ buffer }) => buffer)).size, 7)
      state = next
    }
  })
})

describe('The laws of delayed Nesterov', () => {
  it('with N = 1 it is plain Nesterov, for any accepted c', () => {
    const nesterov = outerOptimizer('nesterov')
    const gradients = fc.array(vectorOf(length), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(parameters, vectorOf(length), gradients, (some, theta, gs) => {
        const p = { ...some, N: 1 }
        let plain = initialState(theta, nesterov)
        for (const g of gs) plain = nesterov.apply(plain, g, 1, optionsOf(p))
        const state = run(initialState(theta, delayed), gs, p)
        assertClose(state.theta, plain.theta, 0, 'theta')
        assertClose(state.slots.momentum, plain.slots.momentum, 0, 'm')
      }),
    )
  })

  it('with c = 0 a full cycle is one Nesterov step on the mean of its pseudo-gradients', () => {
    const cycle = parameters.chain((p) =>
      fc.tuple(
        fc.constant({ ...p, c: 0 }),
        vectorOf(length),
        vectorOf(length),
        fc.array(vectorOf(length), { minLength: p.N, maxLength: p.N }),
      ),
    )
    fc.assert(
      fc.property(cycle, ([p, theta, m, gs]) => {
        const start = { theta, slots: { momentum: m, buffer: new Float32Array(length) }, phase: 0 }
        const end = run(start, gs, p)
        const mean = Array.from(theta, (_, i) => gs.reduce((sum, g) => sum + g[i], 0) / p.N)
        const newM = mean.map((g, i) => p.beta * m[i] + g)
        const expected = mean.map((g, i) => theta[i] - p.eps * (g + p.beta * newM[i]))
        assertClose(end.theta, expected, (2 * p.N + 8) * ulp, 'theta')
        assertClose(end.slots.momentum, newM, (2 * p.N + 8) * ulp, 'm')
        assertSame(end.slots.buffer, new Float32Array(length))
        assert.equal(end.phase, 0)
      }),
    )
  })

  it('spreads the momentum over the cycle by c: c beta m each time, the remainder at its end', () => {
    // Without gradients: N - 1 = 3 times c beta m, then (1 - cN + c) beta times the new m, which is beta m.
    const p = { N: 4, c: 0.2, beta: 0.5, eps: 1 }
    const start = {
      theta: Float32Array.of(0),
      slots: { momentum: Float32Array.of(1), buffer: Float32Array.of(0) },
      phase: 0,
    }
    const end = run(start, Array(4).fill(Float32Array.of(0)), p)
    assertClose(end.theta, [-(3 * 0.2 * 0.5 + (1 - 0.8 + 0.2) * 0.5 * 0.5)], 1e-6)
  })
})

describe('A fail-over of delayed Nesterov', () => {
  const vector = madeVectors(5)
  const p = { N: 3, c: 0.2, beta: 0.9, eps: 0.7 }
  const theta = vector(length, 1)
  const before = Array.from({ length: 4 }, () => vector(length, 1 / 4))
  const after = Array.from({ length: 5 }, () => vector(length, 1 / 4))
  const carried = run(initialState(theta, delayed), before, p)
  const uninterrupted = run(initialState(theta, delayed), [...before, ...after], p)
  const zeros = new Float32Array(length)

  it('gives the same bits when theta, m, Delta and phase are carried', () => {
    assert.deepEqual(run(copyOf(carried), after, p), uninterrupted)
  })
  const losses: Record<string, OuterState> = {
    m: { ...carried, slots: { ...carried.slots, momentum: zeros } },
    Delta: { ...carried, slots: { ...carried.slots, buffer: zeros } },
    'the phase': { ...carried, phase: 0 },
  }
  for (const [what, state] of Object.entries(losses)) {
    it(`changes the result when ${what} is dropped`, () => {
      assert.notDeepEqual(run(state, after, p).theta, uninterrupted.theta)
    })
  }
})

describe('The options of delayed Nesterov', () => {
  const check = (bufferSize: number, activation: number) =>
    delayed.check({ ...outerOptions(), bufferSize, activation })

  it('are accepted for c from 0 to 1/N', () => {
    for (let N = 1; N <= 64; N++) {
      assert.equal(check(N, 0), null)
      assert.equal(check(N, 1 / N), null)
    }
    assert.equal(check(3, 0.3333333333333333), null)
    assert.equal(check(8, 0.1), null)
  })
  it("are refused for c above 1/N, the paper's own c = 0.1 with N = 16 among them, saying what to do", () => {
    const reason = check(16, 0.1)
    assert.match(
      reason ?? '',
      /activation \(c\) is 0\.1;.*between 0 and 1\/N = 0\.0625.*N = 16.*lower activation/,
    )
    assert.notEqual(check(3, 0.334), null)
    assert.notEqual(check(1, 1.001), null)
  })
  it('are refused for a c that is negative or no number', () => {
    assert.notEqual(check(4, -0.01), null)
    assert.notEqual(check(4, Number.NaN), null)
  })
  it('are refused for an N that is not a whole number above 0', () => {
    for (const N of [0, -1, 2.5, Number.NaN]) assert.match(check(N, 0) ?? '', /bufferSize \(N\) is/)
  })
  it('are refused for an N that fp32 may not have', () => {
    assert.equal(check(2 ** 24, 0), null)
    assert.match(check(2 ** 24 + 1, 0) ?? '', /bufferSize \(N\) is 16777217; .* at most 16777216/)
  })
})
