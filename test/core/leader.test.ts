// What a leader may do and when, and whom it makes a voter.
import assert from 'node:assert/strict'
import {
  acknowledge,
  arrive,
  Driven,
  digestOf,
  elect,
  elected,
  founder,
  heldAfter,
  join,
  leading,
  other,
  pulse,
  setupOf,
  third,
  voter,
} from './driven.js'

describe('A leader', () => {
  it('that comes back gives work to members that wait for it, as they show themselves', () => {
    const driven = leading({ grace: 2 }, [other])
    driven.at = 1_000
    arrive(driven, other)
    const held = heldAfter(driven.replica.ledger, { hard: { term: 1, vote: founder, epoch: 0 } })
    const again = new Driven(setupOf(founder, { startPeers: 2, grace: 2, replicas: 1 }, held))
    again.at = 50_000
    again.start(other)
    assert.equal(again.openOf(other), undefined)
    again.clear().from(other, pulse(again, other, { phase: 'idle' }))
    assert.equal(again.openOf(other)?.base, 1)
  })

  it('writes what one event adds to the ledger at once', () => {
    const driven = leading({ grace: 2 }, [other, third])
    driven.at = 1_000
    for (const worker of [founder, other]) arrive(driven, worker)
    driven.clear()
    driven.prompt = false
    arrive(driven, third)
    driven.flush()
    driven.event({ type: 'outer-applied', version: 3, digest: digestOf(3), stateDigest: digestOf(3) })
    assert.deepEqual(
      driven.of('persist').map(({ entries }) => entries.length),
      [1, 3],
    )
  })

  it('forgets the times of those who are gone', () => {
    const driven = leading({}, [other, third])
    driven.from(other, { type: 'leave', reason: '' }).from(third, { type: 'leave', reason: '' })
    driven.pass(1_000)
    assert.deepEqual(Object.keys(driven.lead.heardAt), [founder])
    assert.deepEqual(Object.keys(driven.lead.assignedAt), Object.keys(driven.lead.head.open))
  })

  it('gives no round, and applies none, before its own no-op is committed (section 8)', () => {
    const driven = elect(voter(founder, [founder, other, third]), other)
    driven.from(other, pulse(driven, other, { phase: 'idle' }))
    join(driven, third, { log: { index: 5, term: 1 } })
    assert.deepEqual(driven.kinds(), ['no-op'])
    acknowledge(driven, other)
    driven.from(other, pulse(driven, other, { phase: 'idle' }))
    assert.deepEqual(driven.kinds(), ['no-op', 'assign', 'assign'])
  })

  it('gives its own worker a round too that waited for one when it was elected', () => {
    const driven = voter(founder, [founder, other, third])
    driven.from(other, {
      type: 'welcome',
      epoch: 0,
      term: 1,
      replica: true,
      replicas: [],
      replicasAt: 0,
      revoked: [],
      snapshot: null,
    })
    driven.at = 10_000
    elect(driven, other)
    acknowledge(driven, other)
    assert.equal(driven.openOf(founder)?.base, 0)
  })

  it('asks for the voters to be more when replicas have proved themselves for ten heartbeats', () => {
    const driven = elected([founder], { learners: [other, third] })
    driven.clear().pass(4_500, [other, third])
    assert.deepEqual(configurations(driven), [])
    driven.pass(1_000, [other, third])
    // From here on both sets have to agree: of the new one, two of three.
    const joint = [[founder], [founder, other, third]]
    assert.deepEqual(configurations(driven), [joint])
    driven.pass(1_000, [other, third])
    assert.deepEqual(configurations(driven), [joint], 'one is committed before the next')
    acknowledge(driven, other)
    assert.deepEqual(configurations(driven), [joint, [[founder, other, third], null]])
  })

  it('takes no replica for a voter that lacks entries, or has not answered for a while', () => {
    const behind = elected([founder], { learners: [other, third] })
    behind.clear().pass(7_000, [other, third], { held: { version: -5, stateDigest: digestOf(0) } })
    assert.deepEqual(configurations(behind), [])
    const silent = elected([founder], { learners: [other, third] })
    silent.pass(1_500, [other, third]).clear().pass(5_000, [other])
    assert.deepEqual(configurations(silent), [])
    silent.pass(4_500, [other, third])
    assert.deepEqual(configurations(silent), [], 'its ten heartbeats begin again')
    silent.pass(1_500, [other, third])
    assert.equal(configurations(silent).length, 1)
  })
})

const configurations = (driven: Driven) =>
  driven.entries().flatMap((entry) => (entry.kind === 'configure' ? [[entry.voters, entry.next]] : []))
