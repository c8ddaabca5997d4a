// The steps of the kernels, which have the bits of the plain rules whatever the vectors, and what is kept of them.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { ApplyEntry } from '../../src/core/entries.js'
import { type Hash, hash } from '../../src/core/ids.js'
import { emptyLedger, type LedgerState } from '../../src/core/ledger.js'
import type { OwnState, OwnVector } from '../../src/node/outer-calls.js'
import { compileOuterKernels } from '../../src/node/outer-kernels.js'
import { OuterSteps } from '../../src/node/outer-steps.js'
import { wholeOf } from '../../src/outer/fragments.js'
import { unreported } from '../../src/outer/merge.js'
import { initialState, outerOptimizer, outerOptimizerNames } from '../../src/outer/optimizer.js'
import {
  digestState,
  firstSnapshot,
  nextSnapshot,
  type Snapshot,
  snapshotOf,
} from '../../src/outer/snapshot.js'
import { contentName } from '../../src/platform/content-name.js'
import { sha256 } from '../../src/platform/sha256.js'
import { hierarchySchema, type OuterConfig } from '../../src/swarmfile/schema.js'
import { type CodecName, codecs, codecsOf } from '../../src/tensor/codec.js'
import { fragmentAt, mostFragments } from '../../src/tensor/fragments.js'
import { madeVectors, outerOptions } from '../paper/made.js'
import { alice, exact } from './fakes.js'

const compiled = await compileOuterKernels()
/** Vectors of some tests lie in one part, of others in several. */
const partLength = 8
const smallest = 2 ** -149
const largest = 2 ** 128 - 2 ** 104

/** The ledger as far as an outer step knows it. */
const ledgerAt = (version: number): LedgerState => ({ ...emptyLedger([1], alice), version })
const applied = (weight: number) => ({ kind: 'apply', weight }) as Parameters<typeof nextSnapshot>[1]

/** Ordinary values, and those at the ends of fp32. */
const finite = fc.oneof(
  { weight: 3, arbitrary: fc.float({ min: -1, max: 1, noNaN: true }) },
  fc.constantFrom(0, -0, smallest, -smallest, 3 * smallest, 2 ** -126, -(2 ** -126) + smallest, 2 ** -140),
  fc.float({ min: Math.fround(-1e-37), max: Math.fround(1e-37), noNaN: true }),
)
const huge = fc.constantFrom(largest, -largest, 2 ** 127, -(2 ** 120))
const anything = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY)

const vectorOf = (length: number, ...values: readonly fc.Arbitrary<number>[]) =>
  fc
    .array(fc.oneof({ weight: 9 + length, arbitrary: values[0] }, ...values.slice(1)), {
      minLength: length,
      maxLength: length,
    })
    .map((numbers) => Float32Array.from(numbers))

const configs: fc.Arbitrary<OuterConfig> = fc
  .record({
    method: fc.constantFrom(...outerOptimizerNames),
    bufferSize: fc.integer({ min: 1, max: 5 }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    momentum: fc.double({ min: 0, max: 0.99, noNaN: true }),
    learningRate: fc.oneof(fc.double({ min: 0.01, max: 2, noNaN: true }), fc.constant(smallest)),
  })
  .map(({ share, ...rest }) => outerOptions({ ...rest, activation: share / rest.bufferSize }))

/** Where a run begins. */
const firstState = (theta: Float32Array, { method }: OuterConfig, count = 1) =>
  wholeOf(initialState(theta, outerOptimizer(method)), count)

/** What one step makes of a state, or why it does not. */
function outcomeOf(take: () => { readonly stateDigest: string }): string {
  try {
    return take().stateDigest
  } catch (error) {
    return (error as Error).message
  }
}

/** Writes a pseudo-gradient to the inbox. @returns its hash */
function deliver(steps: OuterSteps, g: Float32Array): Hash {
  const payload = codecs.fp32.encode(g)
  let start = 0
  for (const part of steps.inbox) {
    part.set(payload.subarray(start, start + part.length))
    start += part.length
  }
  assert.equal(start, payload.length)
  return contentName(payload)
}

function applyTo(steps: OuterSteps, version: number, g: Float32Array, weight: number) {
  return steps.apply({ version, payload: deliver(steps, g), coded: null, weight, spare: null })
}

/** Every step of the kernels beside the same of the plain rule. */
function assertSameBits(config: OuterConfig, start: Snapshot, gs: readonly Float32Array[], weight: number) {
  const steps = new OuterSteps({ outer: config }, codecsOf(exact), compiled, partLength)
  steps.install(structuredClone(start.outer) as OwnState, start.ledger.version, start.stateDigest)
  let plain = start
  for (const g of gs) {
    const version = plain.ledger.version + 1
    const expected = outcomeOf(() => {
      plain = nextSnapshot(plain, applied(weight), ledgerAt(version), [g], { outer: config }, sha256)
      return plain
    })
    assert.equal(
      outcomeOf(() => applyTo(steps, version, g, weight)),
      expected,
    )
  }
}

describe('A step of the kernels', () => {
  const lengths = fc.integer({ min: 1, max: 19 })
  const weights = fc.oneof(fc.constant(1), fc.double({ min: 0.001, max: 1, noNaN: true }))

  it('has the bits of the plain rule, for every method, with signed zeros and subnormal numbers', () => {
    const cases = lengths.chain((length) =>
      fc.tuple(
        configs,
        vectorOf(length, finite),
        fc.array(vectorOf(length, finite), { minLength: 1, maxLength: 9 }),
        weights,
      ),
    )
    fc.assert(
      fc.property(cases, ([config, theta, gs, weight]) => {
        const start = firstState(theta, config)
        assertSameBits(config, snapshotOf(start, ledgerAt(0), sha256), gs, weight)
      }),
      { numRuns: 300 },
    )
  })

  it('that overflows or is given what is no number fails as that of the plain rule, and changes nothing', () => {
    const cases = lengths.chain((length) =>
      fc.tuple(
        configs,
        fc.array(vectorOf(length, finite, huge), { minLength: 3, maxLength: 3 }),
        fc.array(vectorOf(length, finite, huge, anything), { minLength: 1, maxLength: 6 }),
        weights,
        fc.nat({ max: 4 }),
      ),
    )
    let broken = 0
    fc.assert(
      fc.property(cases, ([config, [theta, ...vectors], gs, weight, phase]) => {
        const { slots, name } = outerOptimizer(config.method)
        const made = Object.fromEntries(slots.map((slot, i) => [slot, vectors[i]]))
        const cycle = name === 'delayed-nesterov' ? phase % config.bufferSize : 0
        const start = snapshotOf({ theta, slots: made, phases: [cycle] }, ledgerAt(7), sha256)
        assertSameBits(config, start, gs, weight)
        const g = Float32Array.from(theta, () => largest)
        if (
          /cannot be taken/.test(
            outcomeOf(() => nextSnapshot(start, applied(1), ledgerAt(8), [g], { outer: config }, sha256)),
          )
        )
          broken += 1
      }),
      { numRuns: 300 },
    )
    assert.ok(broken > 0)
  })
})

describe('A step of the kernels on a fragment', () => {
  const fragmented = fc
    .tuple(fc.integer({ min: 5, max: 43 }), fc.integer({ min: 2, max: 4 }))
    .map(([length, count]): [number, number] => [length, Math.min(count, mostFragments(length))])
    .chain(([length, count]) =>
      fc.tuple(
        configs,
        fc.constant(count),
        vectorOf(length, finite),
        fc.array(fc.tuple(fc.nat(count - 1), vectorOf(length, finite, huge)), { minLength: 1, maxLength: 9 }),
      ),
    )

  it('has the bits of the plain rule, whatever the fragments, their order and the parts of memory', () => {
    fc.assert(
      fc.property(fragmented, ([config, count, theta, contributions]) => {
        const rules = { outer: config, fragments: { count, mixing: 0 } }
        const steps = new OuterSteps(rules, codecsOf(exact), compiled, partLength)
        let plain = snapshotOf(firstState(theta, config, count), ledgerAt(0), sha256)
        steps.install(structuredClone(plain.outer) as OwnState, 0, plain.stateDigest)
        for (const [fragment, values] of contributions) {
          const version = plain.ledger.version + 1
          const { start, end } = fragmentAt(theta.length, count, fragment)
          const g = values.slice(start, end)
          const expected = outcomeOf(() => {
            const entry = { ...applied(1), fragment } as ApplyEntry
            plain = nextSnapshot(plain, entry, ledgerAt(version), [g], rules, sha256)
            return plain
          })
          const bytes = codecs.fp32.encode(g)
          const coded = { codec: 'fp32', bytes } as const
          const payload = contentName(bytes)
          const take = () => steps.apply({ version, payload, coded, fragment, weight: 1, spare: null })
          assert.equal(outcomeOf(take), expected)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('refuses a payload of another length, and a state of another number of fragments', () => {
    const rules = { outer: outerOptions({}), fragments: { count: 2, mixing: 0 } }
    const steps = new OuterSteps(rules, codecsOf(exact), compiled, partLength)
    const whole = firstState(new Float32Array(10), rules.outer, 2) as OwnState
    steps.install(structuredClone(whole), 0, null)
    const bytes = codecs.fp32.encode(new Float32Array(10))
    const coded = { codec: 'fp32', bytes } as const
    const takes = { version: 1, payload: contentName(bytes), coded, fragment: 1, weight: 1, spare: null }
    assert.throws(() => steps.apply(takes), /6 values has 24 bytes, this one 40/)
    assert.throws(() => steps.install({ ...whole, phases: [0] }, 0, null), /of 1 fragments, the run has 2/)
  })
})

describe('The steps of the outer state', () => {
  const made = madeVectors(11)
  const vector = (length: number, scale: number): OwnVector => new Float32Array(made(length, scale))
  const config = outerOptions({ bufferSize: 3, activation: 0.2 })
  const theta = vector(5, 1)
  const begun = () => {
    const steps = new OuterSteps({ outer: config }, codecsOf(exact), compiled)
    steps.install({ theta, slots: {}, phases: [0] }, 0, null)
    return steps
  }

  it('keep thetas and the slots of four versions as they were', () => {
    const steps = begun()
    const thetas = [theta]
    const digests = [digestState(firstState(theta, config), 0, sha256).stateDigest]
    for (let version = 1; version <= 9; version++) {
      const next = applyTo(steps, version, vector(5, 1), 1)
      thetas.push(next.theta)
      digests.push(next.stateDigest)
      for (const [held, stateDigest] of digests.entries()) {
        const slots = steps.slotsOf(stateDigest)
        assert.equal(slots !== null, held > version - 4, `${held} at ${version}`)
        if (slots === null) continue
        const outer = { theta: thetas[held], slots, phases: [held % 3] }
        assert.equal(digestState(outer, held, sha256).stateDigest, stateDigest)
      }
    }
  })

  it('write a theta to memory that is given back', () => {
    const steps = begun()
    const spare = vector(5, 1)
    const g = vector(5, 1)
    const { theta: next } = steps.apply({
      version: 1,
      payload: deliver(steps, g),
      coded: null,
      weight: 1,
      spare,
    })
    assert.equal(next.buffer, spare.buffer)
    steps.prepare()
    assert.notEqual(applyTo(steps, 2, g, 1).theta.buffer, spare.buffer)
  })

  it('refuse a state of another digest or method, and go on from the one before', () => {
    const steps = begun()
    const slots = { momentum: vector(5, 1), buffer: vector(5, 1) }
    assert.throws(
      () => steps.install({ theta, slots, phases: [1] }, 4, hash('00')),
      /its digest is .*, not 00/,
    )
    const foreign = { velocity: vector(5, 1) }
    assert.throws(
      () => steps.install({ theta, slots: foreign, phases: [1] }, 4, null),
      /has no slot velocity/,
    )
    const short = { momentum: vector(4, 1) }
    assert.throws(() => steps.install({ theta, slots: short, phases: [1] }, 4, null), /4 values, theta 5/)
    assert.deepEqual(applyTo(steps, 1, vector(5, 1), 1).phases, [1])
  })

  it('take the same step of a coded payload as the plain rule of what it decodes to, across parts of memory', () => {
    const length = 9_001
    const theta = vector(length, 1)
    for (const codec of codecsOf({ codec: 'auto', density: 0.1 }).values()) {
      const config = outerOptions({ learningRate: 0.5, bufferSize: 3 })
      const steps = new OuterSteps({ outer: config }, new Map([[codec.name, codec]]), compiled, 4_100)
      const start = snapshotOf(firstState(theta, config), ledgerAt(0), sha256)
      steps.install(structuredClone(start.outer) as OwnState, 0, start.stateDigest)
      const bytes = codec.encode(vector(length, 1))
      const coded = { codec: codec.name, bytes }
      const { stateDigest } = steps.apply({
        version: 1,
        payload: contentName(bytes),
        coded,
        weight: 1,
        spare: null,
      })
      const g = codec.decode(bytes, length)
      const plain = nextSnapshot(start, applied(1), ledgerAt(1), [g], { outer: config }, sha256)
      assert.equal(stateDigest, plain.stateDigest, codec.name)
    }
  })

  it('refuse coded bytes of another hash, of another length, or of no codec of the run, and change nothing', () => {
    const steps = begun()
    const bytes = new Uint8Array(21)
    const take = (codec: CodecName, payload = contentName(bytes)) =>
      steps.apply({ version: 1, payload, coded: { codec, bytes }, weight: 1, spare: null })
    assert.throws(() => take('fp32', hash('00')), /does not match its hash/)
    assert.throws(() => take('fp32'), /5 values has 20 bytes, this one 21/)
    assert.throws(() => take('int8'), /int8 is not a codec of this run/)
    assert.deepEqual(applyTo(steps, 1, vector(5, 1), 1).phases, [1])
  })

  it('refuse a step that does not follow, and one of a payload that is not in the inbox', () => {
    const steps = begun()
    const g = vector(5, 1)
    assert.throws(() => applyTo(steps, 2, g, 1), /version 1 is not held/)
    const payload = deliver(steps, g)
    deliver(steps, vector(5, 1))
    const takes = { version: 1, payload, coded: null, weight: 1, spare: null }
    assert.throws(() => steps.apply(takes), /does not match its hash/)
    assert.deepEqual(applyTo(steps, 1, g, 1).phases, [1])
  })
})

describe('A merge with the theta of a swarm above', () => {
  const hierarchy = hierarchySchema.parse({ alpha: 0.3 })
  const codedOf = (values: Float32Array) => ({ codec: 'fp32', bytes: codecs.fp32.encode(values) }) as const
  const merged = (afresh: boolean) => ({ kind: 'merge', afresh }) as Parameters<typeof nextSnapshot>[1]

  it('has the bits of the plain rule, between outer steps of every method', () => {
    const cases = fc.integer({ min: 1, max: 19 }).chain((length) => {
      const vector = vectorOf(length, finite)
      return fc.tuple(
        configs,
        vector,
        fc.array(
          fc.tuple(vector, vector, fc.constantFrom('apply', 'merge', 'merge and sent', 'merge afresh')),
          {
            maxLength: 9,
          },
        ),
      )
    })
    fc.assert(
      fc.property(cases, ([outer, theta, taken]) => {
        const rules = { outer, hierarchy }
        const steps = new OuterSteps(rules, codecsOf(exact), compiled, partLength)
        let plain = firstSnapshot(theta, ledgerAt(0), rules, sha256)
        steps.install(structuredClone(plain.outer) as OwnState, 0, plain.stateDigest)
        for (const [first, second, what] of taken) {
          const version = plain.ledger.version + 1
          const vectors = what === 'merge and sent' ? [first, second] : [first]
          const afresh = what === 'merge afresh'
          const entry = what === 'apply' ? applied(1) : merged(afresh)
          plain = nextSnapshot(plain, entry, ledgerAt(version), vectors, rules, sha256)
          const made =
            what === 'apply'
              ? applyTo(steps, version, first, 1)
              : steps.merge({
                  version,
                  above: first as OwnVector,
                  sent: what === 'merge and sent' ? codedOf(second) : null,
                  afresh,
                })
          assert.equal(made.stateDigest, plain.stateDigest)
          const { payload } = steps.report('fp32')
          assert.deepEqual(codecs.fp32.decode(payload, first.length), unreported(plain.outer))
        }
      }),
      { numRuns: 200 },
    )
  })

  it('is refused where there is no swarm above', () => {
    const steps = new OuterSteps({ outer: outerOptions({}) }, codecsOf(exact), compiled)
    const start = snapshotOf(
      firstState(Float32Array.of(1), outerOptions({ method: 'sgd' })),
      ledgerAt(0),
      sha256,
    )
    steps.install(start.outer as OwnState, 0, null)
    assert.throws(
      () => steps.merge({ version: 1, above: Float32Array.of(1), sent: null, afresh: false }),
      /no swarm above/,
    )
  })
})
