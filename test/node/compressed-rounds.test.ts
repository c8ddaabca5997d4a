// Rounds of a worker whose contributions are compressed: nothing that was not sent is lost.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Verdict } from '../../src/core/entries.js'
import { type AssignmentId, assignmentId } from '../../src/core/ids.js'
import { code } from '../../src/engine/coding.js'
import type { WorkerRecords } from '../../src/node/rounds.js'
import type { Round, RoundResult, Trainer, Uncoded } from '../../src/ports/trainer.js'
import { type FinishedRound, saveWorkerRecord, settleContribution } from '../../src/store/worker-record.js'
import { type CodecChoice, type CodecName, codecs, codecsOf } from '../../src/tensor/codec.js'
import { norm } from '../../src/tensor/vector.js'
import { withFolder } from '../store/folders.js'
import { assignment, restarted, resultOf, roundsOf, roundsWith, theta } from './worker-rounds.js'

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
    const start = () => restarted(folder, train, { records, run: { compression: settings } })
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
    const g = [1, 0.3]
    const train = async ({ theta: start }: Round) => {
      starts.push(start)
      return resultOf(g)
    }
    const { rounds, events } = roundsWith(train, { run: { compression: settings } })
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
    const { rounds, events } = roundsOf(trainer, { records, run: { compression: settings } })
    rounds.train(assignment, theta, [], 'int4')
    await wasSettled
    rounds.train({ ...assignment, id: assignmentId(8) }, theta, [], 'int4')
    const { manifest } = await events.next('trained')
    assert.equal(manifest.assignment, assignmentId(8))
    assert.deepEqual(settled, [[assignment.id, 'expire']])
    assert.deepEqual(befores, [null, null])
  })
})
