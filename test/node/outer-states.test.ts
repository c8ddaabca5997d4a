// The versions a replica holds, made in a thread of their own.
import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import type { ApplyEntry } from '../../src/core/entries.js'
import { assignmentId, hash } from '../../src/core/ids.js'
import { emptyLedger, type LedgerState } from '../../src/core/ledger.js'
import { OuterStates } from '../../src/node/outer-states.js'
import { OuterThreadDied } from '../../src/node/outer-thread.js'
import {
  firstSnapshot,
  nextSnapshot,
  type Snapshot,
  snapshotOf,
  VersionBroken,
} from '../../src/outer/snapshot.js'
import { contentName } from '../../src/platform/content-name.js'
import { sha256 } from '../../src/platform/sha256.js'
import { decodeSnapshot, encodeSnapshot, loadSnapshot, saveSnapshot } from '../../src/store/snapshot.js'
import { type CodecChoice, codecs } from '../../src/tensor/codec.js'
import { fragmentAt } from '../../src/tensor/fragments.js'
import { madeVectors, outerOptions } from '../paper/made.js'
import { withFolder } from '../store/folders.js'
import { alice, exact } from './fakes.js'

const parameters = 5
const vector = madeVectors(3)
const theta = vector(parameters, 1)
const config = outerOptions({ learningRate: 0.5, bufferSize: 3, activation: 0.2 })
/** The ledger as far as the outer state knows it. */
const ledgerAt = (version: number): LedgerState => ({ ...emptyLedger([100], alice), version })

interface Contribution {
  readonly entry: ApplyEntry
  readonly g: Float32Array
  readonly payload: Uint8Array
}

function contributionOf(g: Float32Array): Contribution {
  const payload = codecs.fp32.encode(g)
  const settled = {
    kind: 'apply',
    codec: 'fp32',
    assignment: assignmentId(3),
    worker: alice,
    steps: 5,
    speed: 1,
    loss: 1,
  } as const
  return {
    entry: { ...settled, payload: contentName(payload), version: 1, staleness: 0, weight: 1 },
    g,
    payload,
  }
}

const made = Array.from({ length: 9 }, () => contributionOf(vector(parameters, 1 / 4)))

/** The snapshots of a run that takes the made contributions, by the plain rule. */
const expected: Snapshot[] = [firstSnapshot(theta, ledgerAt(0), { outer: config }, sha256)]
for (const [at, { entry, g }] of made.entries())
  expected.push(nextSnapshot(expected[at], entry, ledgerAt(at + 1), [g], { outer: config }, sha256))
const digestsOf = ({ digest, stateDigest }: Snapshot) => ({ digest, stateDigest })

describe('Outer states', () => {
  const open: OuterStates[] = []
  function opened(options = config, entry?: URL, compression: CodecChoice = exact): OuterStates {
    const states = new OuterStates({ outer: options, compression }, entry)
    open.push(states)
    return states
  }
  async function founded(options = config): Promise<OuterStates> {
    const states = opened(options)
    await states.found(theta, ledgerAt(0))
    return states
  }
  /** Applies the made contributions up to a version. */
  async function takenTo(version: number): Promise<OuterStates> {
    const states = await founded()
    for (const [at, { entry, payload }] of made.slice(0, version).entries())
      await states.apply(entry, ledgerAt(at + 1), payload)
    return states
  }
  const program = (text: string) =>
    new URL(`data:text/javascript,import { parentPort } from 'node:worker_threads'; parentPort.${text}`)

  afterEach(async () => {
    for (const states of open.splice(0)) await states.close()
  })

  it('take the steps of the plain rule, in the order in which they were called', async () => {
    const states = opened()
    const digests = await Promise.all([
      states.found(theta, ledgerAt(0)),
      ...made.map(({ entry, payload }, at) => states.apply(entry, ledgerAt(at + 1), payload)),
    ])
    assert.deepEqual(digests, expected.map(digestsOf))
  })

  it('take the step of what a coded payload decodes to', async () => {
    const compression = { codec: 'int4', density: 1 } as const
    const states = opened(config, undefined, compression)
    await states.found(theta, ledgerAt(0))
    const { entry, g } = made[0]
    const payload = codecs.int4.encode(g)
    const coded = { ...entry, codec: 'int4', payload: contentName(payload) } as const
    const decoded = codecs.int4.decode(payload, parameters)
    const plain = nextSnapshot(expected[0], coded, ledgerAt(1), [decoded], { outer: config }, sha256)
    assert.deepEqual(await states.apply(coded, ledgerAt(1), payload), digestsOf(plain))
  })

  it('take the steps on fragments of the plain rule, exact payloads too', async () => {
    const rules = { outer: config, fragments: { count: 2, mixing: 0 } }
    const states = new OuterStates({ ...rules, compression: exact })
    open.push(states)
    let plain = firstSnapshot(theta, ledgerAt(0), rules, sha256)
    assert.deepEqual(await states.found(theta, ledgerAt(0)), digestsOf(plain))
    for (const [at, fragment] of [1, 0, 1, 1, 0].entries()) {
      const { start, end } = fragmentAt(parameters, 2, fragment)
      const g = made[at].g.slice(start, end)
      const payload = codecs.fp32.encode(g)
      const entry = { ...made[at].entry, fragment, payload: contentName(payload) }
      plain = nextSnapshot(plain, entry, ledgerAt(at + 1), [g], rules, sha256)
      assert.deepEqual(await states.apply(entry, ledgerAt(at + 1), payload), digestsOf(plain))
    }
    const kept = await states.snapshot(5)
    assert.deepEqual(kept, plain)
    const other = new OuterStates({ ...rules, compression: exact })
    open.push(other)
    const { stateDigest } = await other.receive(encodeSnapshot(plain), plain.stateDigest)
    assert.equal(stateDigest, plain.stateDigest)
  })

  it('keep the thetas of six versions and the whole states of four', async () => {
    const states = await takenTo(9)
    for (const [version, { outer }] of expected.entries()) {
      assert.deepEqual(states.theta(version), version > 3 ? outer.theta : undefined)
      const whole = await states.snapshot(version)
      assert.deepEqual(whole, version > 5 ? expected[version] : undefined)
      const bytes = await states.encoded(version)
      if (version <= 5) assert.equal(bytes, undefined)
      else assert.deepEqual(bytes && Buffer.from(bytes), encodeSnapshot(expected[version]))
    }
  })

  it('never change a theta that somebody was given', async () => {
    const states = await founded()
    const given = new Map<number, Float32Array>()
    for (const [at, { entry, payload }] of made.entries()) {
      if (at !== 1) given.set(at, states.theta(at) ?? assert.fail(`version ${at} is not held`))
      await states.apply(entry, ledgerAt(at + 1), payload)
    }
    for (const [version, values] of given) assert.deepEqual(values, expected[version].outer.theta)
  })

  it('go on after a broken version from the one before, and say what broke', async () => {
    const states = await takenTo(1)
    const { entry, payload } = contributionOf(new Float32Array(parameters).fill(3e38))
    await assert.rejects(
      states.apply({ ...entry, weight: 3 }, ledgerAt(2), payload),
      (error) =>
        error instanceof VersionBroken &&
        /version 2 .* theta would be -Infinity at parameter 0/.test(error.message) &&
        /lower run.outer.learningRate/.test(error.remedy),
    )
    assert.equal(states.theta(2), undefined)
    assert.deepEqual(await states.apply(made[1].entry, ledgerAt(2), made[1].payload), digestsOf(expected[2]))
  })

  it('refuse a payload that is not the one its entry names, and a version that does not follow', async () => {
    const states = await founded()
    const [{ entry, payload }, other] = made
    await assert.rejects(states.apply(entry, ledgerAt(1), other.payload), /does not match its hash/)
    await assert.rejects(states.apply(entry, ledgerAt(1), payload.subarray(4)), /16 bytes, .* 20/)
    await assert.rejects(states.apply(entry, ledgerAt(2), payload), /version 1 is not held/)
    await assert.rejects(opened().apply(entry, ledgerAt(1), payload), /version 0 is not held/)
    assert.deepEqual(await states.apply(entry, ledgerAt(1), payload), digestsOf(expected[1]))
  })

  it('take a payload that starts at any byte', async () => {
    const states = await founded()
    const [{ entry, payload }] = made
    const shifted = new Uint8Array(payload.length + 1)
    shifted.set(payload, 1)
    assert.deepEqual(await states.apply(entry, ledgerAt(1), shifted.subarray(1)), digestsOf(expected[1]))
  })

  it('go on from a snapshot, which stays as it was', async () => {
    const states = await takenTo(3)
    const snapshot = structuredClone(expected[7])
    assert.deepEqual(await states.install(snapshot), digestsOf(expected[7]))
    assert.equal(await states.snapshot(3), undefined)
    const { entry, payload } = made[7]
    assert.deepEqual(await states.apply(entry, ledgerAt(8), payload), digestsOf(expected[8]))
    assert.deepEqual(snapshot, expected[7])
  })

  it('forget later thetas when they go on from an earlier snapshot', async () => {
    const states = await takenTo(6)
    await states.install(expected[4])
    assert.deepEqual(states.theta(3), expected[3].outer.theta)
    assert.deepEqual(states.theta(4), expected[4].outer.theta)
    assert.equal(states.theta(5), undefined)
  })

  it('go on from the bytes of a snapshot', async () => {
    const states = opened()
    const { stateDigest } = expected[5]
    const bytes = encodeSnapshot(expected[5])
    assert.deepEqual(await states.receive(bytes, stateDigest), {
      ledger: ledgerAt(5),
      ...digestsOf(expected[5]),
    })
    const { entry, payload } = made[5]
    assert.deepEqual(await states.apply(entry, ledgerAt(6), payload), digestsOf(expected[6]))
  })

  it('give no snapshot of parts of two histories', async () => {
    const states = await takenTo(5)
    const other = snapshotOf(expected[7].outer, ledgerAt(5), sha256)
    const receiving = states.receive(encodeSnapshot(other), other.stateDigest)
    const asked: Promise<Snapshot | undefined>[] = []
    // Before the thread hears of the other history, between that and its answer, and after it.
    for (let turn = 0; turn < 50; turn++) {
      asked.push(states.snapshot(5))
      await Promise.resolve()
    }
    await receiving
    asked.push(states.snapshot(5))
    const given = (await Promise.all(asked)).filter((snapshot) => snapshot !== undefined)
    for (const snapshot of given)
      assert.ok([expected[5], other].some((one) => isDeepStrictEqual(snapshot, one)))
    assert.ok(asked.length > given.length && given.length > 1)
  })

  it('refuse a snapshot of another digest or bytes that are none, and keep what they hold', async () => {
    const states = await takenTo(2)
    const bytes = encodeSnapshot(expected[5])
    await assert.rejects(states.receive(bytes, expected[4].stateDigest), /its digest is .*, not /)
    await assert.rejects(states.receive(bytes.subarray(1), expected[5].stateDigest), /header/)
    await assert.rejects(states.install({ ...expected[5], stateDigest: hash('00') }), /, not 00/)
    const { entry, payload } = made[2]
    assert.deepEqual(await states.apply(entry, ledgerAt(3), payload), digestsOf(expected[3]))
  })

  it('give a snapshot that can be saved and loaded again while steps go on', () =>
    withFolder(async (folder) => {
      const states = await takenTo(2)
      const snapshot = (await states.snapshot(2)) ?? assert.fail('version 2 is not held')
      const { entry, payload } = made[2]
      await Promise.all([saveSnapshot(folder, snapshot), states.apply(entry, ledgerAt(3), payload)])
      assert.deepEqual((await loadSnapshot(folder))?.snapshot, expected[2])
      const { outer, ledger } = decodeSnapshot((await states.encoded(3)) ?? assert.fail('no version 3'))
      assert.deepEqual(snapshotOf(outer, ledger, sha256), expected[3])
    }))

  it('serve fetched thetas without a thread', async () => {
    const states = opened(config, program(`on('message', () => process.exit(7))`))
    states.holdTheta(4, theta)
    assert.equal(states.theta(4), theta)
    states.holdTheta(10, theta)
    assert.equal(states.theta(4), undefined)
  })

  it('reject every call once the thread died, saying why and what to do', async () => {
    for (const [text, why] of [
      [`on('message', () => process.exit(7))`, /ended with code 7/],
      [`on('message', () => { throw new Error('error 7') })`, /error 7/],
    ] as const) {
      const states = opened(config, program(text))
      const died = (error: unknown) =>
        error instanceof OuterThreadDied && why.test(error.message) && /--resume/.test(error.remedy)
      await assert.rejects(states.found(theta, ledgerAt(0)), died)
      await assert.rejects(states.found(theta, ledgerAt(0)), died)
    }
  })

  it('reject calls under way and later ones when they are closed', async () => {
    const states = opened(config, program(`on('message', () => {})`))
    const founding = states.found(theta, ledgerAt(0))
    const rejected = assert.rejects(founding, /closed/)
    await new Promise(setImmediate)
    await states.close()
    await rejected
    await assert.rejects(states.found(theta, ledgerAt(0)), /closed/)
    const unused = opened()
    await unused.close()
    await assert.rejects(unused.found(theta, ledgerAt(0)), /closed/)
  })
})
