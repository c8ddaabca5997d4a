// A worker's record: rounds that wait for their verdicts, and the states from which the worker goes on.
import assert from 'node:assert/strict'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { type AssignmentId, assignmentId } from '../../src/core/ids.js'
import { sha256 } from '../../src/platform/sha256.js'
import { writeFileAtomically } from '../../src/store/atomic.js'
import { writeSealed } from '../../src/store/sealed.js'
import { StoreError } from '../../src/store/store-error.js'
import {
  type FinishedRound,
  loadWorkerRecord,
  saveWorkerRecord,
  settleContribution,
  type WorkerRecord,
} from '../../src/store/worker-record.js'
import { flipBit, withFolder, withRoomFor } from './folders.js'

const ramp = (start: number): Float32Array => Float32Array.from({ length: 20 }, (_, i) => start + i / 3)

/** The round of one assignment; every vector of it is another than those of the others. */
function roundOf(index: number): FinishedRound {
  const payload = Uint8Array.of(1, 2, 3, 4, index)
  const manifest = {
    assignment: assignmentId(index),
    base: 3,
    steps: 30,
    codec: 'fp32',
    payload: sha256(payload),
    bytes: 5,
    chunkBytes: 5,
    chunks: [sha256(payload)],
    norm: 1.25,
    speed: 7.5,
    loss: 2.5,
  } as const
  return {
    contribution: { manifest, payload },
    inner: { m: ramp(index), v: ramp(index + 0.5), updates: 31 * index },
    residual: { before: ramp(-index), after: ramp(-index - 0.5) },
    thetaEnd: ramp(1000 * index),
  }
}

const [first, second, third] = [17, 20, 31].map(roundOf)
const idOf = ({ contribution }: FinishedRound): AssignmentId => contribution.manifest.assignment

/** What a record holds of these rounds, the last of them the newest, when none is settled. */
function recordOf(rounds: readonly FinishedRound[], newest: FinishedRound): WorkerRecord {
  return {
    contributions: rounds.map(({ contribution, residual }) => ({ ...contribution, residual })),
    inner: newest.inner,
    residual: newest.residual?.after ?? null,
    thetaEnd: newest.thetaEnd === null ? null : { assignment: idOf(newest), theta: newest.thetaEnd },
  }
}

describe("A worker's record", () => {
  it('is null before the first round', () =>
    withFolder(async (folder) => {
      assert.equal(await loadWorkerRecord(folder), null)
      assert.equal(await loadWorkerRecord(join(folder, 'worker')), null)
    }))

  it('gives back contribution, inner state, residuals and where the round ended', () =>
    withFolder(async (folder) => {
      await saveWorkerRecord(join(folder, 'worker'), first)
      assert.deepEqual(await loadWorkerRecord(join(folder, 'worker')), recordOf([first], first))
    }))

  it('has neither residual nor end where the round has none', () =>
    withFolder(async (folder) => {
      const bare = { ...first, residual: null, thetaEnd: null }
      await saveWorkerRecord(folder, bare)
      assert.deepEqual(await loadWorkerRecord(folder), recordOf([bare], bare))
      await settleContribution(folder, idOf(bare), 'refuse')
      assert.deepEqual(await loadWorkerRecord(folder), recordOf([], bare))
    }))

  it('holds several contributions, oldest first, with the states of the newest', () =>
    withFolder(async (folder) => {
      for (const round of [first, second, third]) await saveWorkerRecord(folder, round)
      assert.deepEqual(await loadWorkerRecord(folder), recordOf([first, second, third], third))
    }))

  it('writes no earlier round again', () =>
    withFolder(async (folder) => {
      await saveWorkerRecord(folder, first)
      const [file] = await readdir(folder)
      const before = await stat(join(folder, file))
      await saveWorkerRecord(folder, second)
      await settleContribution(folder, idOf(second), 'apply')
      const after = await stat(join(folder, file))
      assert.deepEqual([after.ino, after.mtimeMs], [before.ino, before.mtimeMs])
    }))

  it('loses a contribution, not the states, when that is settled', () =>
    withFolder(async (folder) => {
      await saveWorkerRecord(folder, first)
      await settleContribution(folder, assignmentId(16), 'apply')
      assert.deepEqual(await loadWorkerRecord(folder), recordOf([first], first))
      await settleContribution(folder, idOf(first), 'apply')
      const { contributions, inner } = (await loadWorkerRecord(folder)) ?? assert.fail()
      assert.deepEqual(contributions, [])
      assert.deepEqual(inner, first.inner)
      await saveWorkerRecord(folder, second)
      assert.deepEqual(await loadWorkerRecord(folder), recordOf([second], second))
    }))

  it('goes on from the residual after when the newest is applied, from the one before else', () =>
    withFolder(async (folder) => {
      for (const [outcome, counts] of [
        ['apply', first.residual?.after],
        ['refuse', first.residual?.before],
        ['expire', first.residual?.before],
      ] as const) {
        const worker = join(folder, outcome)
        await saveWorkerRecord(worker, first)
        await settleContribution(worker, idOf(first), outcome)
        assert.deepEqual(await loadWorkerRecord(worker), {
          ...recordOf([], first),
          residual: counts,
        })
      }
    }))

  it('goes on without what an older round lost that is refused, until a round that did so itself is saved', () =>
    withFolder(async (folder) => {
      const lossOf = ({ residual }: FinishedRound, i: number) =>
        residual === null ? assert.fail() : residual.after[i] - residual.before[i]
      for (const round of [first, second]) await saveWorkerRecord(folder, round)
      await settleContribution(folder, idOf(first), 'refuse')
      const { residual, contributions } = (await loadWorkerRecord(folder)) ?? assert.fail()
      const expected = second.residual?.after.map((value, i) => value - lossOf(first, i))
      assert.deepEqual(residual, expected)
      assert.deepEqual(contributions, recordOf([second], second).contributions)
      await saveWorkerRecord(folder, third)
      assert.deepEqual((await loadWorkerRecord(folder))?.residual, third.residual?.after)
    }))

  it('keeps to the first verdict', () =>
    withFolder(async (folder) => {
      await saveWorkerRecord(folder, first)
      await settleContribution(folder, idOf(first), 'refuse')
      await settleContribution(folder, idOf(first), 'apply')
      assert.deepEqual((await loadWorkerRecord(folder))?.residual, first.residual?.before)
    }))

  it('takes the later of two rounds of one assignment', () =>
    withFolder(async (folder) => {
      const again = { ...roundOf(50), contribution: first.contribution }
      for (const round of [first, second, again]) await saveWorkerRecord(folder, round)
      assert.deepEqual(await loadWorkerRecord(folder), recordOf([second, again], again))
      await settleContribution(folder, idOf(first), 'apply')
      assert.deepEqual(
        (await loadWorkerRecord(folder))?.contributions,
        recordOf([second], second).contributions,
      )
    }))

  it('keeps no file of a round that counts no more', () =>
    withFolder(async (folder) => {
      for (const index of [3, 5, 8, 13, 21]) {
        await saveWorkerRecord(folder, roundOf(index))
        await settleContribution(folder, assignmentId(index), 'apply')
      }
      await saveWorkerRecord(folder, first)
      await saveWorkerRecord(folder, second)
      await settleContribution(folder, idOf(first), 'expire')
      const third = roundOf(31)
      await saveWorkerRecord(folder, third)
      await settleContribution(folder, idOf(second), 'apply')
      const rounds = (await readdir(folder)).filter((name) => name.endsWith('.safetensors'))
      assert.deepEqual(rounds, ['000008-a31.safetensors'])
      assert((await readdir(folder)).length <= 3)
    }))

  it('is as it was when the disk is full at any byte of a new round', () =>
    withFolder(async (folder) => {
      await saveWorkerRecord(folder, first)
      const size = (await stat(join(folder, (await readdir(folder))[0]))).size
      for (let room = 0; room < size; room += 53) {
        await withRoomFor(room, () => assert.rejects(saveWorkerRecord(folder, second), /the disk is full/))
        assert.deepEqual(await loadWorkerRecord(folder), recordOf([first], first))
      }
    }))

  it('is whole when a crash comes between a new round and the removal of an old one', () =>
    withFolder(async (folder) => {
      await saveWorkerRecord(folder, first)
      await saveWorkerRecord(folder, second)
      await writeFileAtomically(join(folder, '000001-a17.000001.apply'), [])
      assert.deepEqual(await loadWorkerRecord(folder), recordOf([second], second))
    }))

  it('that is damaged is refused with the file and a remedy', () =>
    withFolder(async (folder) => {
      await saveWorkerRecord(folder, first)
      await flipBit(join(folder, '000001-a17.safetensors'), 2)
      await assert.rejects(loadWorkerRecord(folder), (error) => {
        assert(error instanceof StoreError)
        assert.match(error.message, /000001-a17\.safetensors is damaged/)
        assert.match(error.remedy, /remove the file/)
        return true
      })
    }))

  it('is not made of other tensors', () =>
    withFolder(async (folder) => {
      const path = join(folder, '000001-a17.safetensors')
      await writeSealed(path, [{ name: 'm', shape: [20], data: ramp(1) }], { updates: '1' })
      await assert.rejects(loadWorkerRecord(folder), /a17\.safetensors: it is no worker's round: .* payload/)
    }))

  it('takes no assignment whose name would be a path', () =>
    withFolder(async (folder) => {
      const manifest = { ...first.contribution.manifest, assignment: '../a1' as AssignmentId }
      const round = { ...first, contribution: { ...first.contribution, manifest } }
      await assert.rejects(saveWorkerRecord(folder, round), RangeError)
    }))

  it('holds what was saved and not settled, whatever the order, and at once', () => {
    const action = fc.oneof(
      fc.constant({ kind: 'save' } as const),
      fc.record({
        kind: fc.constant('settle' as const),
        back: fc.nat(3),
        outcome: fc.constantFrom('apply', 'refuse', 'expire'),
        atOnce: fc.boolean(),
      }),
    )
    return fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 12 }), (actions) =>
        withFolder(async (folder) => {
          const saved: FinishedRound[] = []
          const outcomes = new Map<AssignmentId, 'apply' | 'refuse' | 'expire'>()
          let meanwhile: Promise<void> = Promise.resolve()
          for (const step of actions) {
            if (step.kind === 'save') {
              saved.push(roundOf(saved.length + 1))
              await Promise.all([saveWorkerRecord(folder, saved[saved.length - 1]), meanwhile])
              continue
            }
            const round = saved.at(-1 - step.back)
            if (round === undefined) continue
            if (!outcomes.has(idOf(round))) outcomes.set(idOf(round), step.outcome)
            await meanwhile
            meanwhile = settleContribution(folder, idOf(round), step.outcome)
            if (!step.atOnce) await meanwhile
          }
          await meanwhile
          const newest = saved.at(-1)
          if (newest === undefined) return assert.equal(await loadWorkerRecord(folder), null)
          const open = saved.filter((round) => !outcomes.has(idOf(round)))
          const { residual: _, ...held } = (await loadWorkerRecord(folder)) ?? assert.fail()
          const { residual: __, ...expected } = recordOf(open, newest)
          assert.deepEqual(held, expected)
        }),
      ),
      { numRuns: 40 },
    )
  })
})
