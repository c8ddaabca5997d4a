// Who is a member, as the leader decides: taken in, heard of, let go.
import assert from 'node:assert/strict'
import { type AssignmentId, assignmentId } from '../../src/core/ids.js'
import {
  acknowledge,
  arrive,
  digestOf,
  elected,
  founder,
  join,
  leading,
  other,
  pulse,
  third,
} from './driven.js'

describe('A member', () => {
  it('that does not answer twenty heartbeats is let go, its round with it', () => {
    const driven = leading({ localSteps: 1_000 }, [other]).clear().pass(9_500)
    assert.deepEqual(driven.entries(), [])
    driven.pass(1_000)
    assert.deepEqual(driven.kinds(), ['expire', 'evict'])
    const [, evicted] = driven.entries()
    assert.ok(evicted.kind === 'evict' && !evicted.left, 'it may come back')
  })

  it('that says it leaves is let go by its own word', () => {
    const driven = leading({}, [other]).clear().from(other, { type: 'leave', reason: 'stopped by its user' })
    const [, evicted] = driven.entries()
    assert.ok(evicted.kind === 'evict' && evicted.left)
  })

  it('is not let go, nor its round expired, for the time in which the leader itself stood still', () => {
    const driven = leading({}, [other]).pass(2_000, [other]).clear()
    driven.at += 3_600_000
    driven.timer('heartbeat')
    assert.deepEqual(driven.entries(), [])
    driven.from(other, pulse(driven, other)).pass(5_000, [other])
    assert.deepEqual(
      driven.entries().filter((entry) => entry.kind !== 'apply'),
      [],
    )
  })

  it('that is at nothing a heartbeat after its assignment hears it again', () => {
    const driven = leading({}, [other])
    const open = driven.openOf(other) ?? assert.fail()
    const at = (phase: 'idle' | 'offering' | 'training', ...assignments: AssignmentId[]) =>
      driven.clear().from(other, pulse(driven, other, { phase, assignments }))
    driven.at = 250
    at('idle')
    assert.deepEqual(driven.sent(other, 'entries'), [])
    driven.at = 1_500
    at('idle')
    const [entry] = driven.sent(other, 'entries')[0].entries
    assert.ok(entry.kind === 'assign' && entry.assignment.id === open.id)
    at('offering', assignmentId(1))
    assert.equal(driven.sent(other, 'entries').length, 1, 'nor may it be at an older one')
    at('training', open.id)
    assert.deepEqual(driven.sent(other, 'entries'), [])
  })

  it('that joins again with its round at hand keeps it', () => {
    const driven = leading({}, [other]).clear()
    join(driven, other, { holding: [driven.openOf(other)?.id ?? assert.fail()] })
    assert.deepEqual(driven.entries(), [])
    assert.deepEqual(driven.sent(other, 'entries'), [])
    assert.equal(driven.sent(other, 'welcome').length, 1)
  })

  it('is not welcomed before its admission is committed', () => {
    const driven = leading().clear()
    driven.prompt = false
    join(driven, other)
    join(driven, other)
    assert.deepEqual(driven.sent(other, 'welcome'), [])
    assert.deepEqual(driven.kinds(), ['admit', 'assign'])
    driven.flush()
    assert.equal(driven.sent(other, 'welcome').length, 1)
  })

  it('may come under the name of one that is not connected any more, which is let go', () => {
    const driven = leading({}, [other])
    join(driven, third, { name: 'other' })
    assert.match(driven.sent(third, 'turned-away')[0].reason, /another peer of this run is named 'other'/)
    driven.event({ type: 'disconnected', peer: other }).clear()
    join(driven, third, { name: 'other' })
    assert.deepEqual(driven.kinds(), ['expire', 'evict', 'admit', 'assign'])
  })

  it('that was shut out is not taken in again', () => {
    const driven = leading({ localSteps: 10_000 }, [other])
    for (let i = 0; i < 8; i++) {
      driven.pass(70_000, [other])
      arrive(driven, other, { steps: 9 })
    }
    assert.ok(driven.kinds().includes('revoke'))
    driven.clear()
    join(driven, other)
    assert.match(driven.sent(other, 'turned-away')[0].reason, /it was shut out of this run: 8 contributions/)
  })

  it('whose log ends before what the leader still has gets a snapshot', () => {
    const driven = leading({ replicas: 2 }, [other])
    const { replica } = driven
    const base = { index: 3, term: 1 }
    driven.state = { ...driven.state, replica: { ...replica, base, log: replica.log.slice(3) } }
    driven.clear()
    join(driven, other, { log: { index: 2, term: 1 } })
    assert.deepEqual(driven.sent(other, 'welcome')[0].snapshot, { version: 0, stateDigest: digestOf(0) })
    driven.clear()
    join(driven, other, { log: base })
    assert.equal(driven.sent(other, 'welcome')[0].snapshot, null)
  })

  it('that votes gets its snapshot before it is taken in again: it may be needed to commit just that', () => {
    const driven = elected([founder, other, third])
    // Silent for long, it is let go.
    acknowledge(driven.pass(10_500, [other]), other)
    const { replica } = driven
    const base = { index: 6, term: 2 }
    driven.state = { ...driven.state, replica: { ...replica, base, log: replica.log.slice(1) } }
    driven.clear()
    for (let i = 0; i < 2; i++) join(driven, third, { log: { index: 5, term: 1 } })
    assert.equal(driven.replica.ledger.members[third].present, false)
    assert.deepEqual(driven.sent(third, 'welcome').at(-1)?.snapshot, { version: 0, stateDigest: digestOf(0) })
  })

  it('holds no outer state where it is there for training alone, unless it validates', () => {
    const driven = leading({ replicas: 3 })
    join(driven, other, { role: 'worker' })
    join(driven, third)
    assert.deepEqual(
      [other, third].map((peer) => driven.sent(peer, 'welcome')[0].replica),
      [false, true],
    )
    const validating = leading({
      replicas: 3,
      validation: { by: other.slice(3), everyVersions: 6, batches: 1 },
    })
    join(validating, other, { role: 'worker' })
    assert.equal(validating.sent(other, 'welcome')[0].replica, true)
  })

  it('is told of who it is that holds the outer state, and where', () => {
    const driven = leading({ replicas: 2 })
    driven.event({ type: 'connected', peer: other })
    join(driven, other, { addresses: ['/ip4/10.0.0.7/tcp/1'] })
    assert.deepEqual(driven.sent(other, 'welcome')[0].replicas, [
      { peer: founder, addresses: [] },
      { peer: other, addresses: ['/ip4/10.0.0.7/tcp/1'] },
    ])
  })
})
