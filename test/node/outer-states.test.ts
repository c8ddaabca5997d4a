// The versions a replica holds: outer steps, and what a restart makes of the disk.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { ApplyEntry, Entry } from '../../src/core/entries.js'
import { assignmentId } from '../../src/core/ids.js'
import { applyEntry, emptyLedger, type LedgerState } from '../../src/core/ledger.js'
import { UserError } from '../../src/core/user-error.js'
import { OuterStates } from '../../src/node/outer-states.js'
import { beginVoter, restoreVoter } from '../../src/node/restore.js'
import { VersionBroken } from '../../src/outer/snapshot.js'
import { PayloadStore } from '../../src/store/payloads.js'
import { saveSnapshot } from '../../src/store/snapshot.js'
import { outerOptions } from '../paper/made.js'
import { withFolder } from '../store/folders.js'
import { alice, contributionOf, type MadeContribution, unexpected } from './fakes.js'

const theta = Float32Array.of(1, 2)
const shardSizes = [100]

/** A ledger's first entries: one peer, and its contributions assigned and applied in turn. */
function history(made: readonly MadeContribution[]): Entry[] {
  const admit = {
    kind: 'admit',
    peer: alice,
    name: 'alice',
    cluster: 'lake',
    replica: true,
    speed: null,
  } as const
  const entries: Entry[] = [{ ...admit, index: 1, term: 1 }]
  for (const [base, { manifest }] of made.entries()) {
    const index = entries.length + 1
    const id = assignmentId(index)
    const assignment = {
      id,
      worker: alice,
      base,
      baseDigest: manifest.payload,
      shard: 0,
      position: 5 * base,
      steps: 5,
      deadlineMs: 1,
    }
    entries.push({ kind: 'assign', assignment, speed: null, fastest: null, window: 1, index, term: 1 })
    const settled = { assignment: id, worker: alice, payload: manifest.payload, steps: 5, speed: 1, loss: 1 }
    entries.push({ kind: 'apply', ...settled, staleness: 0, weight: 1, index: index + 1, term: 1 })
  }
  return entries
}

/** Takes all entries, and the outer step of each `apply`. */
function taken(states: OuterStates, entries: readonly Entry[], made: readonly MadeContribution[]) {
  let ledger: LedgerState = beginVoter(states, theta, shardSizes).ledger
  for (const entry of entries) {
    ledger = applyEntry(ledger, entry)
    const payload = made.find(({ manifest }) => entry.kind === 'apply' && manifest.payload === entry.payload)
    if (entry.kind === 'apply' && payload !== undefined) states.apply(entry, ledger, payload.payload)
  }
  return states.get(ledger.version) ?? assert.fail(`version ${ledger.version} is not held`)
}

const statesOf = (learningRate = 0.5) => new OuterStates(outerOptions({ learningRate, bufferSize: 2 }))
const made = [contributionOf([0.5, -1]), contributionOf([0.25, 2]), contributionOf([-1, 1])]
const entries = history(made)

describe('An outer step', () => {
  it('that leads to no finite number gives no version, and says where and what to do', () => {
    const states = statesOf(3e38)
    assert.throws(
      () => taken(states, entries, made),
      (error) =>
        error instanceof VersionBroken &&
        /version 2 .* theta would be -?Infinity at parameter 1/.test(error.message) &&
        /lower run.outer.learningRate/.test(error.remedy),
    )
    assert.equal(states.get(1)?.ledger.version, 1, 'the version before it stays')
    assert.equal(states.get(2), undefined)
  })

  it('is not taken with a payload that is not the one its entry names', () => {
    const states = statesOf()
    beginVoter(states, theta, shardSizes)
    const apply = entries[2] as ApplyEntry & Entry
    const ledger = entries.slice(0, 3).reduce(applyEntry, emptyLedger(shardSizes))
    assert.throws(() => states.apply(apply, ledger, made[1].payload), /does not match its hash/)
  })
})

describe("A voter's disk", () => {
  /** A disk with a snapshot of version 1 and everything since in journal and payloads. */
  async function onDisk(folder: string, without?: MadeContribution) {
    const states = statesOf()
    await saveSnapshot(join(folder, 'snapshots'), taken(states, entries.slice(0, 3), made))
    const payloads = await PayloadStore.open(join(folder, 'payloads'))
    for (const one of made.slice(1))
      if (one !== without) await payloads.put(one.manifest.payload, one.payload)
    return { snapshots: join(folder, 'snapshots'), payloads, entries }
  }

  it('without a snapshot is that of a run which has not begun', () =>
    withFolder(async (folder) => {
      const payloads = await PayloadStore.open(folder)
      assert.equal(
        await restoreVoter(
          { snapshots: join(folder, 'none'), payloads, entries: [] },
          statesOf(),
          unexpected,
        ),
        null,
      )
    }))

  it('gives back the state at the last entry, momentum, buffer and phase included', () =>
    withFolder(async (folder) => {
      const expected = taken(statesOf(), entries, made)
      const restored = await restoreVoter(await onDisk(folder), statesOf(), unexpected)
      assert.equal(restored?.stateDigest, expected.stateDigest)
      assert.deepEqual(restored?.ledger, expected.ledger)
    }))

  it('that lacks a payload is refused, saying which version and what to do', () =>
    withFolder(async (folder) => {
      await assert.rejects(
        restoreVoter(await onDisk(folder, made[2]), statesOf(), unexpected),
        (error) => error instanceof UserError && /payload of version 3 is missing/.test(error.message),
      )
    }))

  it('of a run that ended in a broken version is refused with that reason', () =>
    withFolder(async (folder) => {
      await assert.rejects(restoreVoter(await onDisk(folder), statesOf(3e38), unexpected), VersionBroken)
    }))
})
