// The ledger's state: what each entry does to it.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { applyEntry } from '../../src/core/apply-entry.js'
import type { EntryBody } from '../../src/core/entries.js'
import { type AssignmentId, assignmentId, hash, peerId } from '../../src/core/ids.js'
import { consumedSteps, emptyLedger, type LedgerState, nextInterval } from '../../src/core/ledger.js'

const bob = peerId('id-bob')
const digest = hash('0'.repeat(64))
const start = emptyLedger([100, 100], bob)
const add = (state: LedgerState, body: EntryBody, term = 1) =>
  applyEntry(state, { ...body, index: state.index + 1, term })
const admission = (speed: number | null): EntryBody => ({
  kind: 'admit',
  peer: bob,
  name: 'bob',
  cluster: 'lake',
  replica: true,
  role: 'replica',
  speed,
  addresses: [],
  through: null,
})
const admitted = add(start, admission(5))

function assign(state: LedgerState, wanted: number, shard = 0, worker = bob): LedgerState {
  const id = assignmentId(state.index + 1)
  const { position, steps } = nextInterval(state.shards[shard], wanted)
  return add(state, {
    kind: 'assign',
    assignment: {
      id,
      worker,
      after: null,
      base: state.version,
      baseDigest: digest,
      shard,
      position,
      steps,
      deadlineMs: 1,
    },
    speed: null,
    fastest: null,
    window: 1,
  })
}
const settle = (state: LedgerState, kind: 'expire' | 'refuse', assignment: AssignmentId) =>
  add(state, { kind, assignment, worker: bob, reason: 'because' })
const apply = (state: LedgerState, assignment: AssignmentId, steps = 10) =>
  add(state, {
    kind: 'apply',
    codec: 'fp32',
    assignment,
    worker: bob,
    payload: digest,
    version: state.version + 1,
    staleness: 0,
    weight: 1,
    steps,
    speed: 4,
    loss: 1,
  })

describe('The ledger', () => {
  it('takes entries in order only, and none of a term that is over', () => {
    assert.throws(
      () => applyEntry(start, { kind: 'finish', ok: true, reason: '', index: 2, term: 1 }),
      /does not follow/,
    )
    const later = add(admitted, { kind: 'no-op', leader: bob, reason: '', elapsedMs: 7 }, 3)
    assert.throws(() => add(later, { kind: 'finish', ok: true, reason: '' }, 2), /term 3 has begun/)
  })

  it('settles an assignment once: the first verdict counts', () => {
    const settled = apply(assign(admitted, 10), assignmentId(2))
    assert.equal(settled.version, 1)
    assert.throws(() => apply(settled, assignmentId(2)), /settled a second time/)
    assert.throws(() => settle(settled, 'expire', assignmentId(2)), /settled a second time/)
  })

  it('counts rounds in a row that came to nothing, expired or refused, until one is applied', () => {
    let state = settle(assign(admitted, 10), 'expire', assignmentId(2))
    state = settle(assign(state, 10), 'refuse', assignmentId(4))
    assert.equal(state.members[bob].failures, 2)
    assert.equal(apply(assign(state, 10), assignmentId(6)).members[bob].failures, 0)
  })

  it('keeps what a member did when it leaves and comes back', () => {
    let state = apply(assign(admitted, 10), assignmentId(2))
    state = add(state, { kind: 'evict', peer: bob, left: false, reason: 'silent' })
    assert.equal(state.members[bob].present, false)
    state = add(state, admission(null))
    const { present, contributions, steps, speeds, rehearsed } = state.members[bob]
    assert.deepEqual([present, contributions, steps, speeds, rehearsed], [true, 1, 10, [4], 5])
  })

  it('forgets the measured speeds of a member whose rehearsal says that it is on another engine', () => {
    const back = (speed: number) => {
      const known = apply(assign(admitted, 10), assignmentId(2))
      const state = add(known, admission(speed))
      return [state.members[bob].rehearsed, state.members[bob].speeds]
    }
    assert.deepEqual(back(6), [6, [4]])
    assert.deepEqual(back(1), [1, []])
    assert.deepEqual(back(40), [40, []])
  })

  it('is open again after a finish once a leader begins a new term', () => {
    const over = add(admitted, { kind: 'finish', reason: 'enough', ok: true })
    assert.deepEqual(over.finished, { reason: 'enough', ok: true })
    assert.equal(add(over, { kind: 'no-op', leader: bob, reason: '', elapsedMs: 7 }, 2).finished, null)
  })
})

describe('Who votes, by the ledger,', () => {
  const carol = peerId('id-carol')

  it('is the founder before its first entry, and then what its newest configuration says', () => {
    assert.deepEqual(start.configuration, { voters: [bob], next: null, index: 0, epoch: 0 })
    const joint: EntryBody = { kind: 'configure', voters: [bob], next: [carol], epoch: 0, reason: '' }
    const both = add(admitted, joint)
    assert.deepEqual(both.configuration, { voters: [bob], next: [carol], index: 2, epoch: 0 })
    const forced: EntryBody = { kind: 'configure', voters: [carol], next: null, epoch: 1, reason: '' }
    assert.deepEqual(add(both, forced).configuration, { voters: [carol], next: null, index: 3, epoch: 1 })
  })

  it('or holds the outer state, has an index by which a worker sees that it knows older ones', () => {
    assert.equal(admitted.replicasAt, 1)
    const worker = add(admitted, { ...admission(1), peer: carol, name: 'carol', replica: false } as EntryBody)
    assert.equal(worker.replicasAt, 1, 'a worker is none of them')
    const configured = add(worker, { kind: 'configure', voters: [bob], next: null, epoch: 0, reason: '' })
    assert.equal(configured.replicasAt, 3)
  })
})

describe('A member', () => {
  it('that left by its own word is told from one that fell silent, until it is back', () => {
    const gone = (left: boolean) => add(admitted, { kind: 'evict', peer: bob, left, reason: '' })
    assert.deepEqual([gone(true).members[bob].left, gone(false).members[bob].left], [true, false])
    assert.equal(add(gone(true), admission(5)).members[bob].left, false)
  })

  it('that is shut out stays so, with the reason', () => {
    const out = add(admitted, { kind: 'revoke', who: bob, reason: 'it lied' })
    assert.deepEqual([out.members[bob].present, out.members[bob].revoked], [false, 'it lied'])
    assert.equal(add(out, admission(5)).members[bob].revoked, 'it lied')
  })

  it('has the outcomes of its latest rounds kept for it', () => {
    const over = settle(assign(admitted, 10), 'refuse', assignmentId(2))
    const settled = apply(assign(over, 10), assignmentId(4)).members[bob].settled
    assert.deepEqual(
      settled.map(({ assignment, outcome, version }) => [assignment, outcome, version]),
      [
        [assignmentId(2), 'refuse', null],
        [assignmentId(4), 'apply', 1],
      ],
    )
  })
})

describe('A shard', () => {
  it('gives what a lost worker left before new ground, as much of it as is wanted', () => {
    let state = assign(assign(admitted, 30), 30)
    state = settle(state, 'expire', assignmentId(2))
    assert.deepEqual(nextInterval(state.shards[0], 20), { position: 0, steps: 20 })
    state = assign(state, 20)
    assert.deepEqual(nextInterval(state.shards[0], 20), { position: 20, steps: 10 })
    state = assign(state, 20)
    assert.deepEqual(nextInterval(state.shards[0], 20), { position: 60, steps: 20 })
  })

  it('makes one interval of neighbours that came back, so that they do not crumble', () => {
    let state = assign(assign(assign(assign(admitted, 10), 10), 10), 10)
    for (const index of [4, 2, 3]) state = settle(state, 'expire', assignmentId(index))
    assert.deepEqual(state.shards[0].returned, [{ position: 0, steps: 30 }])
    assert.equal(consumedSteps(state.shards[0]), 10)
  })

  it('takes back its end as if it had never been reserved', () => {
    let state = assign(assign(admitted, 10), 10)
    state = settle(state, 'refuse', assignmentId(3))
    assert.deepEqual(state.shards[0], { size: 100, reserved: 10, returned: [] })
    state = settle(state, 'refuse', assignmentId(2))
    assert.deepEqual(state.shards[0], { size: 100, reserved: 0, returned: [] })
  })

  it('has every step in one place: trained, being trained, or waiting; whatever comes back in whatever order', () => {
    const action = fc.record({
      wanted: fc.integer({ min: 1, max: 9 }),
      verdict: fc.constantFrom('apply', 'expire', null),
      which: fc.nat(),
    })
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        let state = admitted
        const trained: { position: number; steps: number }[] = []
        for (const { wanted, verdict, which } of actions) {
          state = assign(state, wanted)
          const open = Object.values(state.open)
          const one = open[which % open.length]
          if (verdict === 'apply') trained.push(one)
          if (verdict === 'apply') state = apply(state, one.id, one.steps)
          if (verdict === 'expire') state = settle(state, 'expire', one.id)
        }
        const { reserved, returned } = state.shards[0]
        const places = [...trained, ...Object.values(state.open), ...returned]
          .flatMap(({ position, steps }) => Array.from({ length: steps }, (_, i) => position + i))
          .sort((a, b) => a - b)
        assert.deepEqual(
          places,
          Array.from({ length: reserved }, (_, i) => i),
        )
      }),
    )
  })
})
