// A round of a worker: trained, durable, told; its contribution kept until the verdict.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Assignment, Verdict } from '../../src/core/entries.js'
import { type AssignmentId, assignmentId, hash } from '../../src/core/ids.js'
import { code } from '../../src/engine/coding.js'
import { Account } from '../../src/node/account.js'
import { Rounds, type WorkerRecords } from '../../src/node/rounds.js'
import {
  type Round,
  RoundAborted,
  type RoundResult,
  type Trainer,
  type Uncoded,
} from '../../src/ports/trainer.js'
import {
  type FinishedRound,
  loadWorkerRecord,
  saveWorkerRecord,
  settleContribution,
} from '../../src/store/worker-record.js'
import { type CodecChoice, type CodecName, codecs, codecsOf } from '../../src/tensor/codec.js'
import { fragmentAt } from '../../src/tensor/fragments.js'
import { norm } from '../../src/tensor/vector.js'
import { withFolder } from '../store/folders.js'
import { alice, contributionOf, Events, exact, unexpected } from './fakes.js'

const assignment: Assignment = {
  id: assignmentId(7),
  worker: alice,
  after: null,
  base: 4,
  baseDigest: hash('0'.repeat(64)),
  shard: 1,
  position: 20,
  steps: 5,
  deadlineMs: 60_000,
}
const theta = Float32Array.of(1, 1)

const resultOf = (gradient: number[]): RoundResult => ({
  gradient: Float32Array.from(gradient),
  inner: { m: new Float32Array(2), v: new Float32Array(2), updates: 5 },
  meanLoss: 2,
  steps: 5,
  trainMs: 500,
  emulatedMs: 0,
})

/** A trainer of one round, by the method that a round needs. */
const trainerOf = (train: Trainer['train']): Trainer =>
  ({ train, code: async (uncoded) => code(uncoded) }) as Trainer
const noRecords: WorkerRecords = { save: () => Promise.resolve(), settle: () => Promise.resolve() }

function roundsWith(
  train: Trainer['train'],
  records = noRecords,
  fail: (error: unknown) => void = unexpected,
) {
  const events = new Events()
  return {
    events,
    rounds: new Rounds(
      trainerOf(train),
      records,
      { compression: exact },
      new Account(() => 0),
      events.dispatch,
      fail,
    ),
  }
}

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
    const { events, rounds } = roundsWith(async (round, onStep) => {
      assert.deepEqual(round, { theta, shard: 1, position: 20, steps: 5 })
      onStep({ step: 1, loss: 3, learningRate: 0.1, ms: 100 })
      return resultOf([3, 4])
    }, records)
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
    const { events, rounds } = roundsWith(
      () => Promise.resolve(resultOf([1, Number.POSITIVE_INFINITY])),
      records,
    )
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
      const { events, rounds } = roundsWith(
        () => Promise.resolve(resultOf([3, 4])),
        records,
        (error) => {
          assert.deepEqual(events.all, [])
          resolve(error)
        },
      )
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
    const { rounds } = roundsWith(() => assert.fail('nothing is trained'), records)
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
    const { rounds } = roundsWith(() => assert.fail('nothing is trained'), records)
    const { manifest, payload } = contributionOf([3, 4], { assignment: assignment.id })
    rounds.restore({ contributions: [{ manifest, payload, residual: null }], residual: null })
    rounds.forget(assignment.id, null)
    assert.equal(await settled, 'expire')
  })
})

describe('Rounds that are compressed', () => {
  const length = 6
  const settings: CodecChoice = { codec: 'auto', density: 0.5 }
  const codings = codecsOf(settings)
  const vectorOf = (values: readonly number[]) => Float32Array.from(values, (value) => value / 64)
  const values = fc.array(fc.integer({ min: -999, max: 999 }), { minLength: length, maxLength: length })
  /** A round, or a verdict on one of the open ones, or a restart of the process. */
  const action = fc.oneof(
    fc.record({ kind: fc.constant('round' as const), g: values, codec: fc.constantFrom(...codings.keys()) }),
    fc.record({
      kind: fc.constant('verdict' as const),
      which: fc.nat(3),
      outcome: fc.constantFrom('apply', 'refuse', 'expire', null),
    }),
    fc.constant({ kind: 'restart' as const }),
  )

  /** A worker with a real record, which may die and come back between any two rounds or verdicts. */
  async function worker(folder: string) {
    const saved: FinishedRound[] = []
    let next: readonly number[] = []
    /** Verdicts on their way to the disk. */
    const settling = new Map<AssignmentId, () => void>()
    const settled: Promise<void>[] = []
    const records: WorkerRecords = {
      save: async (round) => {
        await saveWorkerRecord(folder, round)
        saved.push(round)
      },
      settle: async (id, outcome) => {
        await settleContribution(folder, id, outcome)
        settling.get(id)?.()
      },
    }
    const train = async (): Promise<RoundResult> => ({
      ...resultOf([]),
      gradient: vectorOf(next),
      inner: { m: new Float32Array(length), v: new Float32Array(length), updates: 1 },
    })
    const start = async () => {
      const events = new Events()
      const rounds = new Rounds(
        trainerOf(train),
        records,
        { compression: settings },
        new Account(() => 0),
        events.dispatch,
        unexpected,
      )
      const record = await loadWorkerRecord(folder)
      if (record !== null) rounds.restore(record)
      return { rounds, events, told: 0 }
    }
    let life = await start()
    let made = 0
    return {
      saved,
      restart: async () => {
        await Promise.all(settled)
        life = await start()
      },
      verdict: (id: AssignmentId, outcome: Verdict['kind'] | null) => {
        settled.push(new Promise((resolve) => settling.set(id, resolve)))
        life.rounds.forget(id, outcome)
      },
      round: async (g: readonly number[], codec: CodecName) => {
        next = g
        made += 1
        life.rounds.train({ ...assignment, id: assignmentId(made) }, new Float32Array(length), [], codec)
        return (await life.events.next('trained', life.told++)).manifest.assignment
      },
    }
  }

  it('owe what was not sent of the applied ones, whatever the order of verdicts and restarts', () =>
    fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 14 }), (actions) =>
        withFolder(async (folder) => {
          const one = await worker(folder)
          const truth = new Map<AssignmentId, Float32Array>()
          const open: AssignmentId[] = []
          for (const act of actions) {
            if (act.kind === 'restart') await one.restart()
            else if (act.kind === 'round') {
              const id = await one.round(act.g, act.codec)
              truth.set(id, vectorOf(act.g))
              open.push(id)
            } else {
              const [id] = open.splice(act.which, 1)
              if (id === undefined) continue
              one.verdict(id, act.outcome)
              if (act.outcome !== 'apply') truth.delete(id)
            }
          }
          // Once more, exact: it sends all that is owed.
          const last = await one.round(new Array<number>(length).fill(0), 'fp32')
          const counted = one.saved.filter(({ contribution: { manifest } }) => {
            return manifest.assignment === last || truth.has(manifest.assignment)
          })
          for (let i = 0; i < length; i++) {
            const expected = [...truth.values()].reduce((sum, g) => sum + g[i], 0)
            const sent = counted.reduce((sum, { contribution: { manifest, payload } }) => {
              const codec = codings.get(manifest.codec) ?? assert.fail()
              return sum + codec.decode(payload, length)[i]
            }, 0)
            assert.ok(Math.abs(sent - expected) < 1e-2, `${sent} was sent of ${expected}`)
          }
        }),
      ),
      { numRuns: 40 },
    ))

  it('save the residual before and after with the payload, and say the norm of what is decoded', () =>
    withFolder(async (folder) => {
      const one = await worker(folder)
      await one.round([64, 5, -3, 0, 1, 2], 'int4')
      await one.round([64, 5, -3, 0, 1, 2], 'int4')
      const [first, second] = one.saved
      assert.deepEqual(second.residual?.before, first.residual?.after)
      const { manifest, payload } = second.contribution
      assert.equal(manifest.bytes, codecs.int4.encodedBytes(length))
      assert.equal(manifest.norm, norm(codecs.int4.decode(payload, length)))
    }))

  it('go on from where this worker stood, not from what the server makes of what it sent', async () => {
    const starts: Float32Array[] = []
    const events = new Events()
    const g = [1, 0.3]
    const train = async ({ theta: start }: Round) => {
      starts.push(start)
      return resultOf(g)
    }
    const rounds = new Rounds(
      trainerOf(train),
      noRecords,
      { compression: settings },
      new Account(() => 0),
      events.dispatch,
      unexpected,
    )
    rounds.train(assignment, theta, [], 'int4')
    const { manifest } = await events.next('trained')
    rounds.train({ ...assignment, id: assignmentId(8) }, theta, [manifest.assignment], 'int4')
    await events.next('trained', 1)
    for (const [i, value] of starts[1].entries()) assert.ok(Math.abs(value - (theta[i] - g[i])) < 1e-6)
  })

  it('lose nothing by a round that is aborted while it is made durable', async () => {
    const settled: unknown[] = []
    let tell = () => {}
    const wasSettled = new Promise<void>((resolve) => (tell = resolve))
    const befores: (Float32Array | null)[] = []
    const events = new Events()
    const records: WorkerRecords = {
      save: async () => {
        if (befores.length === 1) rounds.abort()
      },
      settle: async (...verdict) => {
        settled.push(verdict)
        tell()
      },
    }
    const trainer = {
      train: async () => resultOf([1, 0.3]),
      code: async (uncoded: Uncoded) => {
        befores.push(uncoded.residual)
        return code(uncoded)
      },
      abort: () => {},
    } as unknown as Trainer
    const rounds = new Rounds(
      trainer,
      records,
      { compression: settings },
      new Account(() => 0),
      events.dispatch,
      unexpected,
    )
    rounds.train(assignment, theta, [], 'int4')
    await wasSettled
    rounds.train({ ...assignment, id: assignmentId(8) }, theta, [], 'int4')
    const { manifest } = await events.next('trained')
    assert.equal(manifest.assignment, assignmentId(8))
    assert.deepEqual(settled, [[assignment.id, 'expire']])
    assert.deepEqual(befores, [null, null])
  })
})

describe('Rounds that send a fragment each', () => {
  const length = 10
  const count = 3
  const compression: CodecChoice = { codec: 'auto', density: 0.5 }
  const codings = codecsOf(compression)
  const value = fc.integer({ min: -999, max: 999 }).map((whole) => whole / 64)
  const action = fc.record({
    g: fc.array(value, { minLength: length, maxLength: length }),
    codec: fc.constantFrom(...codings.keys()),
    outcome: fc.constantFrom('apply' as const, 'apply' as const, 'refuse' as const, 'expire' as const),
    restart: fc.boolean(),
  })

  /** A worker with a real record; every round moves by what it is told to. */
  async function worker(folder: string, mixing = 0) {
    let settled = () => {}
    let g: readonly number[] = []
    const starts: Float32Array[] = []
    const records: WorkerRecords = {
      save: (round) => saveWorkerRecord(folder, round),
      settle: (id, outcome) => settleContribution(folder, id, outcome).then(() => settled()),
    }
    const train = async ({ theta: start }: Round): Promise<RoundResult> => {
      starts.push(start.slice())
      const inner = { m: new Float32Array(length), v: new Float32Array(length), updates: 1 }
      return { ...resultOf([]), gradient: Float32Array.from(g), inner }
    }
    const begin = async () => {
      const events = new Events()
      const run = { compression: { ...compression }, fragments: { count, mixing } }
      const account = new Account(() => 0)
      const rounds = new Rounds(trainerOf(train), records, run, account, events.dispatch, unexpected)
      const record = await loadWorkerRecord(folder)
      if (record !== null) rounds.restore(record)
      return { rounds, events, told: 0 }
    }
    let life = await begin()
    let made = 0
    return {
      starts,
      restart: async () => {
        life = await begin()
      },
      verdict: async (id: AssignmentId, outcome: Verdict['kind']) => {
        const done = new Promise<void>((resolve) => (settled = resolve))
        life.rounds.forget(id, outcome)
        await done
      },
      /** @returns the round, and all that it sent at its place */
      round: async (
        from: Float32Array,
        moves: readonly number[],
        codec: CodecName,
        without: AssignmentId[],
      ) => {
        g = moves
        const given = { ...assignment, id: assignmentId(made + 1), fragment: made % count }
        made += 1
        life.rounds.train(given, from, without, codec)
        const { manifest } = await life.events.next('trained', life.told++)
        const { start, end } = fragmentAt(length, count, manifest.fragment ?? assert.fail())
        const payload = life.rounds.payload(manifest) ?? assert.fail()
        const sent = new Float32Array(length)
        sent.set((codings.get(codec) ?? assert.fail()).decode(payload, end - start), start)
        return { id: given.id, sent }
      },
    }
  }

  for (const mixing of [0, 0.5])
    it(`go on from where this worker stood if what is sent is taken as it is, over refusals and restarts, mixing ${mixing}`, () =>
      fc.assert(
        fc.asyncProperty(fc.array(action, { maxLength: 9 }), (actions) =>
          withFolder(async (folder) => {
            const one = await worker(folder, mixing)
            let server = new Float32Array(length).fill(1)
            let position = [...server]
            for (const { g, codec, outcome, restart } of actions) {
              const { id, sent } = await one.round(server, g, codec, [])
              const start = one.starts.at(-1) ?? assert.fail()
              for (const [i, expected] of position.entries())
                assert.ok(Math.abs(start[i] - expected) < 1e-3, `${start[i]} instead of ${expected}`)
              if (outcome === 'apply') {
                server = server.map((old, i) => old - sent[i])
                position = position.map((old, i) => old - g[i])
              }
              await one.verdict(id, outcome)
              if (restart) await one.restart()
            }
          }),
        ),
        { numRuns: 40 },
      ))

  for (const restarts of [false, true])
    it(`keep their share of this worker's own place where its fragment comes back${restarts ? ', over restarts' : ''}`, () =>
      withFolder(async (folder) => {
        const one = await worker(folder, 0.5)
        const again = async () => {
          if (restarts) await one.restart()
        }
        const ones = new Float32Array(length).fill(1)
        const first = await one.round(ones, new Array<number>(length).fill(0.25), 'fp32', [])
        await one.verdict(first.id, 'apply')
        await again()
        // The outer step takes two fifths of what was sent.
        const server = ones.map((value, i) => value - 0.4 * first.sent[i])
        const { end } = fragmentAt(length, count, 0)
        const expected = server.map((value, i) => (i < end ? 0.5 * value + 0.5 * 0.75 : 0.75))
        const second = await one.round(server, new Array<number>(length).fill(2), 'fp32', [])
        await one.verdict(second.id, 'refuse')
        await again()
        await one.round(server, new Array<number>(length).fill(2), 'fp32', [])
        for (const start of one.starts.slice(1))
          for (const [i, value] of expected.entries())
            assert.ok(Math.abs(start[i] - value) < 1e-6, `${start[i]} instead of ${value} at ${i}`)
      }))

  for (const outcome of ['apply', 'refuse'] as const)
    it(`begin after a contribution that their version lacks, though just then the verdict comes: ${outcome}`, async () => {
      const starts: Float32Array[] = []
      const train = async ({ theta: start }: Round): Promise<RoundResult> => {
        starts.push(start.slice())
        return { ...resultOf([]), gradient: new Float32Array(length).fill(0.25) }
      }
      const events = new Events()
      const run = { compression: { ...compression }, fragments: { count, mixing: 0 } }
      const account = new Account(() => 0)
      const rounds = new Rounds(trainerOf(train), noRecords, run, account, events.dispatch, unexpected)
      const ones = new Float32Array(length).fill(1)
      rounds.train({ ...assignment, fragment: 0 }, ones, [], 'fp32')
      const { manifest } = await events.next('trained')
      const given = { ...assignment, id: assignmentId(8), fragment: 1 }
      rounds.train(given, ones, [manifest.assignment], 'fp32')
      rounds.forget(manifest.assignment, outcome)
      await events.next('trained', 1)
      assert.deepEqual(starts[1], new Float32Array(length).fill(0.75))
    })

  it('go on from own contributions that their version lacks, of any fragments', () =>
    withFolder(async (folder) => {
      const one = await worker(folder)
      const server = new Float32Array(length).fill(1)
      const without: AssignmentId[] = []
      let position = [...server]
      for (let i = 0; i < 4; i++) {
        const g = server.map((_, at) => (at + i) / 8)
        without.push((await one.round(server, [...g], 'int4', [...without])).id)
        for (const [at, expected] of position.entries())
          assert.ok(Math.abs((one.starts[i]?.[at] ?? Number.NaN) - expected) < 1e-5)
        position = position.map((old, at) => old - g[at])
      }
    }))
})
