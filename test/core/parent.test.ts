// A cluster as a worker of the swarm above: what its leader takes in from there, and what it reports.
import assert from 'node:assert/strict'
import type { Entry, EntryBody, MergeEntry, ParentRound } from '../../src/core/entries.js'
import { assignmentId, type Epoch } from '../../src/core/ids.js'
import { digestOf, elected, founder, ledgerOf, manifestOf } from './driven.js'
import { apply, assign, round as assignment } from './joined.js'

const first = ledgerOf([founder]).index + 1
const round: ParentRound = { id: assignmentId(90), base: 5, steps: 1 }
const next: ParentRound = { ...round, id: assignmentId(95), base: 6 }
const report = manifestOf({ ...assignment, ...round })
const verdict = { assignment: round.id, outcome: 'apply' } as const

const merge: MergeEntry = {
  kind: 'merge',
  round,
  payload: null,
  sent: null,
  afresh: false,
  version: 0,
}
const recovered = (epoch: Epoch): EntryBody => {
  return { kind: 'configure', voters: [founder], next: null, epoch, reason: 'recovered by force' }
}

/** The only voter of a cluster whose log goes on like this, once it leads. */
function leader(bodies: readonly EntryBody[], epoch: Epoch = 0) {
  const log = bodies.map((body, i): Entry => ({ ...body, index: first + i, term: 1 }))
  const changes = { hierarchy: { contributions: 1 } }
  return elected([founder], { log, hard: { term: 1, vote: null, epoch }, changes })
}

type Led = ReturnType<typeof leader>

const merges = (driven: Led) =>
  driven.entries().flatMap((entry) => {
    if (entry.kind !== 'merge') return []
    const { payload, sent, afresh } = entry
    return [{ payload, sent, afresh }]
  })

/** The swarm above has applied what the cluster reported, and gives it another round, whose theta is here. */
const offered = (driven: Led, digest = digestOf(6)) =>
  driven
    .clear()
    .event({ type: 'payload-held', payload: digest })
    .event({ type: 'parent-round', round: next, digest, verdict })

describe('A cluster that is given its next round above', () => {
  const reported = [merge, { kind: 'report', manifest: report } as const]

  it('fetches the bytes of what it reported, for they are taken off what it has moved', () => {
    const driven = offered(leader(reported))
    assert.deepEqual(
      driven.of('hold-payload').map(({ payload }) => payload),
      [report.payload],
    )
    driven.timer('heartbeat')
    const sent = { payload: report.payload, codec: report.codec }
    assert.deepEqual(merges(driven), [{ payload: digestOf(6), sent, afresh: false }])
  })

  it('begins afresh after a recovery by force: the bytes may be lost, and what counts above is not known', () => {
    const driven = offered(leader([...reported, recovered(1)], 1))
    assert.deepEqual(driven.of('hold-payload'), [])
    assert.deepEqual(merges(driven), [{ payload: digestOf(6), sent: null, afresh: true }])
  })

  it('begins afresh but once, and then goes on as ever', () => {
    const driven = offered(leader([...reported, recovered(1)], 1)).clear()
    const later = { ...next, id: assignmentId(99), base: 7 }
    const digest = digestOf(7)
    driven.event({ type: 'payload-held', payload: digest })
    driven.event({ type: 'parent-round', round: later, digest, verdict: null })
    assert.deepEqual(merges(driven), [{ payload: digest, sent: null, afresh: false }])
  })

  it('begins afresh with the round that it was at, where that is not settled above', () => {
    const driven = leader([merge, recovered(1)], 1)
    const digest = digestOf(5)
    driven.event({ type: 'payload-held', payload: digest })
    driven.event({ type: 'parent-round', round, digest, verdict: null })
    assert.deepEqual(merges(driven), [{ payload: digest, sent: null, afresh: true }])
  })

  it('reports nothing after a recovery by force before it has begun afresh', () => {
    const id = assignmentId(first + 1)
    const given = assign({ ...assignment, id, worker: founder }, first + 1)
    const applied = apply(first + 2, id)
    for (const [log, epoch, reporting] of [
      [[merge, given, applied], 0, round.id],
      [[merge, given, applied, recovered(1)], 1, null],
    ] as const) {
      const driven = leader(log, epoch).timer('heartbeat')
      assert.equal(driven.lead.reporting, reporting)
    }
  })
})
