// A replica's log, beside a plain list of all entries that it has ever had.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Entry } from '../../src/core/entries.js'
import { peerId } from '../../src/core/ids.js'
import {
  atLeastAsComplete,
  compacted,
  configurationOf,
  entriesFrom,
  entryAt,
  type Log,
  lastPoint,
  termAt,
  withEntries,
} from '../../src/core/log.js'
import { ledgerOf } from './driven.js'

const entry = (index: number, term: number): Entry => ({ kind: 'finish', reason: '', ok: true, index, term })
const nothing: Log = { base: { index: 0, term: 0 }, log: [] }

/** What may happen to a log: entries from some place on, in place of what was there; a beginning forgotten. */
const action = fc.oneof(
  fc.record({ what: fc.constant('put' as const), back: fc.nat(4), count: fc.integer({ min: 0, max: 5 }) }),
  fc.record({ what: fc.constant('compact' as const), to: fc.nat(40) }),
)

interface Model {
  readonly log: Log
  /** Entry of index i at i - 1; what is forgotten stays here. */
  readonly all: readonly Entry[]
}

function played(actions: readonly (typeof action extends fc.Arbitrary<infer T> ? T : never)[]): Model {
  let log = nothing
  let all: Entry[] = []
  for (const [i, one] of actions.entries()) {
    const term = i + 1
    if (one.what === 'put') {
      const first = Math.max(log.base.index + 1, all.length + 1 - one.back)
      const news = Array.from({ length: one.count }, (_, j) => entry(first + j, term))
      log = withEntries(log, news)
      if (news.length > 0) all = [...all.slice(0, first - 1), ...news]
    } else {
      const index = Math.min(one.to, all.length)
      log = compacted(log, { index, term: all[index - 1]?.term ?? 0 })
    }
  }
  return { log, all }
}

const model = fc.array(action, { maxLength: 20 }).map(played)

describe('A log', () => {
  it('holds after its base what was put there last, in order and without gaps', () => {
    fc.assert(
      fc.property(model, ({ log, all }) => {
        assert.deepEqual(log.log, all.slice(log.base.index))
        for (const [i, { index }] of log.log.entries()) assert.equal(index, log.base.index + i + 1)
      }),
    )
  })

  it('knows the term of its base and of every entry after it, and of nothing else', () => {
    fc.assert(
      fc.property(model, fc.integer({ min: -1, max: 60 }), ({ log, all }, index) => {
        const known = index >= log.base.index && index <= all.length
        const term = index === 0 ? 0 : all[index - 1]?.term
        assert.equal(termAt(log, index), known ? term : null)
        assert.equal(entryAt(log, index), index > log.base.index ? all[index - 1] : undefined)
      }),
    )
  })

  it('ends where its last entry is, or at its base', () => {
    fc.assert(
      fc.property(model, ({ log, all }) => {
        assert.deepEqual(lastPoint(log), { index: all.length, term: all.at(-1)?.term ?? 0 })
      }),
    )
  })

  it('gives the entries from a place on, at most as many as asked for', () => {
    fc.assert(
      fc.property(model, fc.nat(60), fc.nat(10), ({ log, all }, from, most) => {
        const first = Math.max(from, log.base.index + 1)
        assert.deepEqual(entriesFrom(log, first, most), all.slice(first - 1, first - 1 + most))
        assert.deepEqual(entriesFrom(log, first), all.slice(first - 1))
      }),
    )
  })

  it('is the same log when entries are put there that it has', () => {
    fc.assert(
      fc.property(model, ({ log }) => {
        assert.deepEqual(withEntries(log, log.log), log)
        assert.equal(withEntries(log, []), log)
      }),
    )
  })

  it('does not begin earlier again, and forgets everything before a base beyond its end', () => {
    const log = withEntries(nothing, [entry(1, 1), entry(2, 1), entry(3, 2)])
    const later = compacted(log, { index: 2, term: 1 })
    assert.equal(compacted(later, { index: 1, term: 1 }), later)
    assert.deepEqual(compacted(log, { index: 7, term: 2 }), { base: { index: 7, term: 2 }, log: [] })
  })
})

describe('A log that is at least as complete as another (section 5.4.1)', () => {
  const point = fc.record({ index: fc.nat(5), term: fc.nat(5) })

  it('ends in a later term, or in the same term and not before it', () => {
    assert.ok(atLeastAsComplete({ index: 1, term: 3 }, { index: 9, term: 2 }))
    assert.ok(!atLeastAsComplete({ index: 9, term: 2 }, { index: 1, term: 3 }))
    assert.ok(atLeastAsComplete({ index: 4, term: 2 }, { index: 4, term: 2 }))
    assert.ok(!atLeastAsComplete({ index: 3, term: 2 }, { index: 4, term: 2 }))
  })

  it('is so by an order: of two logs at least one is, and of two that differ only one', () => {
    fc.assert(
      fc.property(point, point, point, (a, b, c) => {
        const [ab, ba] = [atLeastAsComplete(a, b), atLeastAsComplete(b, a)]
        assert.ok(ab || ba)
        if (ab && ba) assert.deepEqual([a.term, a.index], [b.term, b.index])
        if (ab && atLeastAsComplete(b, c)) assert.ok(atLeastAsComplete(a, c))
      }),
    )
  })
})

describe('The configuration in force', () => {
  const [a, b] = [peerId('id-a'), peerId('id-b')]
  const ledger = ledgerOf([a])
  const configure = (index: number, voters: readonly (typeof a)[]): Entry => {
    return { kind: 'configure', voters, next: null, epoch: 0, reason: '', index, term: 1 }
  }
  const base = { index: ledger.index, term: 1 }

  it('is that of the newest entry which says so, committed or not (section 6)', () => {
    const log = [configure(base.index + 1, [b]), entry(base.index + 2, 1), configure(base.index + 3, [a, b])]
    assert.deepEqual(configurationOf({ base, log }, ledger).voters, [a, b])
    assert.deepEqual(configurationOf({ base, log: log.slice(0, 2) }, ledger).voters, [b])
  })

  it("is the ledger's where the log has none, or only older ones", () => {
    assert.equal(configurationOf({ base, log: [] }, ledger), ledger.configuration)
    const older = { base: { index: 0, term: 0 }, log: [configure(1, [b])] }
    assert.equal(configurationOf(older, ledger), ledger.configuration)
  })
})
