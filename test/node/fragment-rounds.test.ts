// Rounds of a worker that send a fragment each: it goes on from where it stood, mixing in what others made of the rest.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Verdict } from '../../src/core/entries.js'
import { type AssignmentId, assignmentId } from '../../src/core/ids.js'
import type { WorkerRecords } from '../../src/node/rounds.js'
import type { Round, RoundResult } from '../../src/ports/trainer.js'
import { saveWorkerRecord, settleContribution } from '../../src/store/worker-record.js'
import { type CodecChoice, type CodecName, codecsOf } from '../../src/tensor/codec.js'
import { fragmentAt } from '../../src/tensor/fragments.js'
import { withFolder } from '../store/folders.js'
import { assignment, restarted, resultOf, roundsWith } from './worker-rounds.js'

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
    const run = { compression: { ...compression }, fragments: { count, mixing } }
    const begin = () => restarted(folder, train, { records, run })
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
      const run = { compression: { ...compression }, fragments: { count, mixing: 0 } }
      const { rounds, events } = roundsWith(train, { run })
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
