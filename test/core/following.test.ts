// A replica follows the leader's log (Raft, section 5.3): what continues its own, with payloads, and never more.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Assignment, Entry, EntryBody } from '../../src/core/entries.js'
import { assignmentId, type PeerId } from '../../src/core/ids.js'
import { lastPoint } from '../../src/core/log.js'
import type { Appended } from '../../src/core/messages.js'
import {
  type Driven,
  digestOf,
  founder,
  ledgerOf,
  manifestOf,
  other,
  payloadOf,
  third,
  voter,
} from './driven.js'

const three = [founder, other, third]
const start = ledgerOf(three).index

const validate = (index: number, term = 2, loss = 1): Entry => {
  return { kind: 'validate', version: 0, loss, index, term }
}
const body = (index: number, kind: 'assign' | 'apply'): EntryBody => {
  const id = assignmentId(index - (kind === 'apply' ? 1 : 0))
  const round: Assignment = {
    id,
    worker: founder,
    after: null,
    base: 0,
    baseDigest: digestOf(0),
    shard: 0,
    position: 0,
    steps: 10,
    deadlineMs: 60_000,
  }
  if (kind === 'assign') return { kind, assignment: round, speed: null, fastest: null, window: 1 }
  const applied = { assignment: id, worker: founder, payload: payloadOf(id), version: 1, staleness: 0 }
  return { kind, codec: 'fp32', ...applied, weight: 1, steps: 10, speed: 10, loss: 1 }
}
const entry = (index: number, kind: 'assign' | 'apply', term = 2): Entry => ({
  ...body(index, kind),
  index,
  term,
})

/** What the leader sends to a replica. */
function append(
  driven: Driven,
  entries: readonly Entry[],
  { prev = { index: start, term: 1 }, commit = 0, term = 2, from = founder as PeerId } = {},
): Driven {
  return driven.from(from, { type: 'append', epoch: 0, term, prev, entries, commit })
}

const answers = (driven: Driven, to = founder): [boolean, number][] =>
  driven.sent(to, 'appended').map(({ ok, index }: Appended) => [ok, index])

describe('Entries from the leader', () => {
  it('are taken where they continue the log, and acknowledged when they are durable (5.3)', () => {
    const driven = voter(other, three)
    driven.prompt = false
    append(driven, [validate(start + 1), validate(start + 2)])
    assert.deepEqual(answers(driven), [])
    driven.flush()
    assert.deepEqual(answers(driven), [[true, start + 2]])
    assert.deepEqual(lastPoint(driven.replica), { index: start + 2, term: 2 })
  })

  it('are not taken where the entry before them is missing: the leader hears where to begin', () => {
    const driven = append(voter(other, three), [validate(start + 5)], { prev: { index: start + 4, term: 2 } })
    assert.deepEqual(answers(driven), [[false, start]])
    assert.deepEqual(driven.entries(), [])
  })

  it('are not taken where the entry before them is of another term', () => {
    const driven = append(voter(other, three), [validate(start + 1, 2)]).clear()
    append(driven, [validate(start + 2, 3)], { prev: { index: start + 1, term: 3 }, term: 3 })
    assert.deepEqual(answers(driven), [[false, start]])
    assert.deepEqual(driven.entries(), [])
  })

  it('that are here already are not written again, but acknowledged', () => {
    const driven = append(voter(other, three), [validate(start + 1), validate(start + 2)]).clear()
    append(driven, [validate(start + 1), validate(start + 2)])
    append(driven, [validate(start + 1)])
    assert.deepEqual(driven.entries(), [])
    assert.deepEqual(answers(driven), [
      [true, start + 2],
      [true, start + 1],
    ])
    assert.deepEqual(lastPoint(driven.replica), { index: start + 2, term: 2 }, 'a late copy cuts nothing off')
  })

  it('take the place of those that another leader left and nobody committed (5.3)', () => {
    const driven = append(voter(other, three), [validate(start + 1), validate(start + 2)])
    const noop: Entry = { kind: 'no-op', leader: third, reason: '', elapsedMs: 0, index: start + 1, term: 3 }
    append(driven.clear(), [noop], { term: 3, from: third })
    assert.deepEqual(driven.replica.log, [noop])
    assert.deepEqual(driven.entries(), [noop])
    assert.deepEqual(answers(driven, third), [[true, start + 1]])
  })

  it('never take the place of a committed one: such a log is of no use', () => {
    const driven = append(voter(other, three), [validate(start + 1)], { commit: start + 1 })
    append(driven.clear(), [validate(start + 1, 3)], { term: 3, from: third })
    assert.equal(driven.state.replica, null)
    const [{ what, reason }] = driven.refused()
    assert.equal(what, 'own ledger')
    assert.match(reason, /entry \d+ is committed here, and the leader has another; joining the run anew/)
  })

  it('of a term that is over are not taken, and who sent them hears of the later one (5.1)', () => {
    const driven = append(voter(other, three, { hard: { term: 5, vote: null, epoch: 0 } }), [
      validate(start + 1),
    ])
    assert.deepEqual(driven.entries(), [])
    const [{ term, ok }] = driven.sent(founder, 'appended')
    assert.deepEqual([term, ok], [5, false])
    assert.match(driven.refused()[0].reason, /term 2 is over; term 5 has begun/)
  })

  it('bring their configuration into force at once, and take it with them when they go (section 6)', () => {
    const driven = voter(other, three)
    const configure: Entry = {
      kind: 'configure',
      voters: three,
      next: [other],
      epoch: 0,
      reason: '',
      index: start + 1,
      term: 2,
    }
    append(driven, [configure])
    assert.deepEqual(driven.replica.configuration.next, [other])
    append(driven, [validate(start + 1, 3)], { term: 3, from: third })
    assert.deepEqual(driven.replica.configuration.next, null)
  })
})

describe('Entries that name a payload', () => {
  const round = [entry(start + 1, 'assign'), entry(start + 2, 'apply'), validate(start + 3)]

  it('count only once it is durable here too; those before them count at once', () => {
    const driven = voter(other, three)
    driven.prompt = false
    append(driven, round).flush()
    assert.deepEqual(answers(driven), [[true, start + 1]])
    const [wanted] = driven.of('hold-payload')
    assert.equal(wanted.payload, payloadOf(assignmentId(start + 1)))
    assert.deepEqual(wanted.donors, [founder, third])
    driven.clear().event({ type: 'payload-held', payload: wanted.payload })
    assert.deepEqual(answers(driven), [])
    driven.flush()
    assert.deepEqual(answers(driven), [[true, start + 3]])
  })

  it('wait for nothing where it came before them', () => {
    const driven = voter(other, three)
    driven.prompt = false
    driven.event({ type: 'payload-held', payload: payloadOf(assignmentId(start + 1)) })
    append(driven, round).flush()
    assert.deepEqual([driven.of('hold-payload'), answers(driven)], [[], [[true, start + 3]]])
  })

  it('wait no longer once it has come with the contribution itself', () => {
    const driven = voter(other, three)
    driven.prompt = false
    append(driven, round)
    const { assignment } = body(start + 1, 'assign') as { assignment: Assignment }
    driven.event({ type: 'contribution', from: founder, manifest: manifestOf(assignment), problem: null })
    driven.flush()
    assert.deepEqual(answers(driven).at(-1), [true, start + 3])
  })

  it('ask for it once, however many entries come after them meanwhile', () => {
    const driven = voter(other, three)
    driven.prompt = false
    append(driven, round)
    append(driven, [validate(start + 4)], { prev: { index: start + 3, term: 2 } })
    assert.equal(driven.of('hold-payload').length, 1)
    driven.event({ type: 'payload-held', payload: payloadOf(assignmentId(start + 1)) }).flush()
    assert.deepEqual(answers(driven).at(-1), [true, start + 4])
  })

  it('are asked for again when it could not be had', () => {
    const driven = voter(other, three)
    driven.prompt = false
    append(driven, round)
    const payload = payloadOf(assignmentId(start + 1))
    driven.event({ type: 'payload-failed', payload, reason: 'nobody in reach holds it' }).clear()
    append(driven, [], { prev: { index: start + 3, term: 2 } })
    assert.deepEqual(answers(driven), [[false, start + 1]])
    append(driven, round)
    assert.equal(driven.of('hold-payload').length, 1)
  })

  it('are forgotten with the leader that sent them', () => {
    const driven = voter(other, three)
    driven.prompt = false
    append(driven, round).flush()
    append(driven, [validate(start + 2, 3)], {
      prev: { index: start + 1, term: 2 },
      term: 3,
      from: third,
    }).flush()
    driven
      .clear()
      .event({ type: 'payload-held', payload: payloadOf(assignmentId(start + 1)) })
      .flush()
    assert.deepEqual([driven.entries(), driven.left], [[], []])
    assert.deepEqual(lastPoint(driven.replica), { index: start + 2, term: 3 })
  })
})

describe('What is committed', () => {
  it('is what the leader has committed and this log is known to share with it', () => {
    const driven = append(voter(other, three), [validate(start + 1), validate(start + 2)], {
      commit: start + 1,
    })
    assert.equal(driven.replica.ledger.index, start + 1)
    append(driven, [], { prev: { index: start + 2, term: 2 }, commit: start + 9 })
    assert.equal(driven.replica.ledger.index, start + 2)
  })

  it('is none of what an earlier leader left here, until this one has said that it shares it', () => {
    const driven = append(voter(other, three), [validate(start + 1)])
    driven.from(third, {
      type: 'heartbeat',
      epoch: 0,
      term: 3,
      index: start + 1,
      version: 0,
      beat: 0,
      elapsedMs: 0,
      replicasAt: 0,
    })
    assert.equal(driven.replica.ledger.index, start, 'entry and index alone say nothing')
    append(driven, [], { prev: { index: start + 1, term: 2 }, commit: start + 1, term: 3, from: third })
    assert.equal(driven.replica.ledger.index, start + 1)
  })

  it('is nothing at the start that its snapshot does not cover: the disk may hold what nobody committed', () => {
    const driven = voter(other, three, { log: [validate(start + 1, 1)] })
    assert.equal(driven.replica.ledger.index, start)
    append(driven, [], { prev: { index: start + 1, term: 1 }, commit: start + 1 })
    assert.equal(driven.replica.ledger.index, start + 1)
  })

  it('grows only, and the log is what some leader had, whatever messages come late, twice or not at all', () => {
    // Three leaders in a row, each with the entries that the one before had committed, and others of its own.
    const logs = [2, 3, 4].map((term) => {
      const shared = [2, 3]
        .filter((earlier) => earlier < term)
        .map((earlier, i) => validate(start + 1 + i, earlier))
      const own = Array.from({ length: 4 }, (_, i) => validate(start + 1 + shared.length + i, term, term))
      return [...shared, ...own]
    })
    const message = fc.record({
      leader: fc.nat(2),
      from: fc.nat(4),
      count: fc.nat(4),
      committed: fc.nat(1),
      payload: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(message, { maxLength: 30 }), (messages) => {
        const driven = voter(other, three)
        for (const { leader, from, count, committed } of messages) {
          const log = logs[leader]
          const prev = from === 0 ? { index: start, term: 1 } : log[from - 1]
          // A leader has committed what it shares with the next one, or one entry less.
          const commit = start + Math.max(0, leader + 1 - committed)
          const before = driven.replica.ledger.index
          append(driven, log.slice(from, from + count), {
            prev: { index: prev.index, term: prev.term },
            commit,
            term: leader + 2,
            from: three[leader === 1 ? 2 : 0],
          })
          const { replica } = driven
          assert.ok(replica.ledger.index >= before)
          const here = replica.log.map(({ index, term }) => `${term}.${index}`)
          assert.ok(
            logs.some((one) => here.every((text, i) => text === `${one[i].term}.${one[i].index}`)),
            here.join(' '),
          )
          for (const { index, term } of replica.log.slice(0, replica.ledger.index - start))
            assert.equal(term, logs[2][index - start - 1].term, 'committed is what the last leader has')
        }
      }),
    )
  })
})
