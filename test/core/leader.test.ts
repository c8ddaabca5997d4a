// The leader's decisions, one at a time.
import assert from 'node:assert/strict'
import { assignmentId, peerId } from '../../src/core/ids.js'
import {
  arrive,
  Driven,
  digestOf,
  founder,
  join,
  leading,
  manifestFor,
  other,
  pulse,
  setupOf,
} from './driven.js'

const third = peerId('id-third')

describe('The grace window', () => {
  const grace = { grace: 2 }

  it('opens at the first arrival, and the arrivals within it are applied one by one', () => {
    const driven = leading(grace, [other, third])
    driven.at = 1_000
    driven.clear()
    arrive(driven, other)
    assert.deepEqual(
      driven
        .of('set-timer')
        .filter(({ name }) => name === 'grace')
        .map(({ afterMs }) => afterMs),
      [2_000],
    )
    assert.deepEqual(
      driven.entries().map(({ kind }) => kind),
      ['apply'],
    )
    driven.at = 1_500
    arrive(driven, third)
    assert.equal(
      driven.of('set-timer').filter(({ name }) => name === 'grace').length,
      1,
      'a later arrival does not extend it',
    )
    assert.deepEqual(
      driven.entries().map(({ kind }) => kind),
      ['apply', 'apply'],
    )
    assert.equal(driven.state.replica?.applied, 2)
  })

  it('gives all who arrived new rounds from the same version when it closes', () => {
    const driven = leading(grace, [other, third])
    driven.at = 1_000
    arrive(driven, other)
    arrive(driven, third)
    driven.at = 3_000
    driven.clear().event({ type: 'timer', name: 'grace' })
    const given = driven.entries().flatMap((entry) => (entry.kind === 'assign' ? [entry.assignment] : []))
    assert.deepEqual(
      given.map(({ worker, base }) => [worker, base]),
      [
        [other, 2],
        [third, 2],
      ],
    )
  })

  it('closes as soon as nobody else can arrive', () => {
    const driven = leading(grace, [other])
    driven.at = 1_000
    arrive(driven, other)
    driven.clear()
    arrive(driven, founder)
    assert.deepEqual(
      driven.entries().map(({ kind }) => kind),
      ['apply', 'assign', 'assign'],
    )
    assert.equal(driven.lead.window, null)
    assert.ok(driven.of('cancel-timer').some(({ name }) => name === 'grace'))
  })

  it('waits for the outer step of what was applied before it assigns', () => {
    const driven = leading(grace)
    driven.at = 1_000
    driven.prompt = false
    driven.clear()
    arrive(driven, founder)
    driven.event({ type: 'appended', index: driven.lead.head.index })
    assert.deepEqual(
      driven.entries().map(({ kind }) => kind),
      ['apply'],
    )
    driven.event({ type: 'outer-applied', version: 1, digest: digestOf(1), stateDigest: digestOf(1) })
    assert.deepEqual(
      driven.entries().map(({ kind }) => kind),
      ['apply', 'assign'],
    )
  })

  it('ends with its last waiting worker: the next arrival opens another', () => {
    const driven = leading(grace, [other, third])
    driven.at = 1_000
    arrive(driven, other)
    driven.from(other, { type: 'leave', reason: 'stopped by its user' })
    assert.equal(driven.lead.window, null)
    driven.event({ type: 'timer', name: 'grace' })
    driven.clear()
    arrive(driven, third)
    assert.deepEqual(
      driven.entries().map(({ kind }) => kind),
      ['apply'],
      'the founder may still arrive',
    )
    assert.equal(driven.of('set-timer').filter(({ name }) => name === 'grace').length, 1)
  })
})

describe('A contribution', () => {
  it('is applied once, however often and by whatever way it arrives', () => {
    const driven = leading({ grace: 2 }, [other])
    driven.at = 1_000
    const manifest = manifestFor(driven, other)
    driven.clear()
    driven.from(other, { type: 'offer', manifest })
    driven.event({ type: 'contribution', from: other, manifest, problem: null })
    driven.event({ type: 'contribution', from: other, manifest, problem: null })
    driven.from(other, { type: 'offer', manifest })
    assert.deepEqual(
      driven.entries().map(({ kind }) => kind),
      ['apply'],
    )
    assert.equal(driven.of('pull-contribution').length, 1)
    const verdicts = driven.sent(other, 'entries').flatMap(({ entries }) => entries)
    assert.deepEqual(
      verdicts.map((entry) => entry.kind),
      ['apply', 'apply'],
      'its verdict is told again',
    )
    assert.equal(driven.of('report').filter(({ report }) => report.type === 'refused').length, 0)
  })

  it('is not called unknown while its verdict is being written', () => {
    const driven = leading({ grace: 2 }, [other])
    driven.at = 1_000
    driven.prompt = false
    const manifest = arrive(driven, other)
    driven.clear().event({ type: 'contribution', from: other, manifest, problem: null })
    assert.deepEqual(driven.effects, [])
  })

  it('is refused if it starts from another version, or took other steps, than assigned', () => {
    for (const [change, reason] of [
      [{ base: 7 }, 'it starts from version 7, but version 0 was assigned'],
      [{ steps: 3 }, 'it took 3 steps, but 10 were assigned'],
    ] as const) {
      const driven = leading({}, [other])
      driven.at = 1_000
      driven.clear()
      arrive(driven, other, change)
      const [entry] = driven.entries()
      assert.ok(entry.kind === 'refuse')
      assert.equal(entry.reason, reason)
    }
  })

  it('has its speed held to what the time since its assignment allows', () => {
    const driven = leading({ grace: 2 }, [other])
    driven.at = 2_000
    driven.clear()
    arrive(driven, other, { speed: 1_000 })
    const [entry] = driven.entries()
    assert.ok(entry.kind === 'apply')
    assert.equal(entry.speed, 20)
  })

  it('that reaches the limit is the last one applied', () => {
    const driven = leading({ grace: 2, stop: { versions: 1 } }, [other])
    driven.at = 1_000
    driven.clear()
    driven.prompt = false
    arrive(driven, other)
    arrive(driven, founder)
    assert.deepEqual(
      driven.entries().map(({ kind }) => kind),
      ['apply', 'finish'],
    )
  })
})

describe('A member', () => {
  it('that does not answer ten heartbeats is let go, its round with it', () => {
    const driven = leading({ localSteps: 1_000 }, [other]).clear().pass(9_000)
    assert.deepEqual(driven.entries(), [])
    driven.pass(2_000)
    assert.deepEqual(
      driven.entries().map(({ kind }) => kind),
      ['expire', 'evict'],
    )
  })

  it('is not let go, nor its round expired, for the time in which the leader itself stood still', () => {
    const driven = leading({}, [other]).pass(2_000, [other]).clear()
    driven.at += 3_600_000
    driven.event({ type: 'timer', name: 'heartbeat' })
    assert.deepEqual(driven.entries(), [])
    driven.from(other, pulse()).pass(5_000, [other])
    assert.deepEqual(
      driven.entries().filter((entry) => entry.kind !== 'apply'),
      [],
    )
  })

  it('that is at nothing a heartbeat after its assignment hears it again', () => {
    const driven = leading({}, [other])
    const open = driven.openOf(other)
    driven.at = 500
    driven.clear().from(other, pulse({ phase: 'idle' }))
    assert.deepEqual(driven.sent(other, 'entries'), [])
    driven.at = 1_500
    driven.from(other, pulse({ phase: 'idle' }))
    const [entry] = driven.sent(other, 'entries')[0].entries
    assert.ok(entry.kind === 'assign' && entry.assignment.id === open?.id)
    driven.clear().from(other, pulse({ phase: 'offering', assignment: assignmentId(1) }))
    assert.equal(driven.sent(other, 'entries').length, 1, 'nor may it be at an older one')
    driven.clear().from(other, pulse({ phase: 'training', assignment: open?.id }))
    assert.deepEqual(driven.sent(other, 'entries'), [])
  })

  it('that joins again with its round at hand keeps it', () => {
    const driven = leading({}, [other]).clear()
    join(driven, other, { holding: driven.openOf(other)?.id ?? null })
    assert.deepEqual(driven.entries(), [])
    assert.deepEqual(driven.sent(other, 'entries'), [])
    assert.equal(driven.sent(other, 'welcome').length, 1)
  })

  it('is not welcomed before its admission is durable', () => {
    const driven = leading().clear()
    driven.prompt = false
    join(driven, other)
    join(driven, other)
    assert.deepEqual(driven.sent(other, 'welcome'), [])
    assert.equal(driven.entries().filter(({ kind }) => kind === 'admit').length, 1)
    driven.event({ type: 'appended', index: driven.lead.head.index })
    assert.equal(driven.sent(other, 'welcome').length, 1)
  })

  it('whose log is too far behind gets a snapshot', () => {
    const driven = leading({}, [other])
    const { replica } = driven.state
    assert.ok(replica !== null)
    driven.state = { ...driven.state, replica: { ...replica, log: replica.log.slice(-2) } }
    driven.clear().from(other, { type: 'want-entries', from: 1 })
    assert.deepEqual(driven.sent(other, 'welcome')[0].snapshot, { version: 0, stateDigest: digestOf(0) })
    driven.clear().from(other, { type: 'want-entries', from: replica.ledger.index })
    assert.equal(driven.sent(other, 'entries')[0].entries.length, 1)
  })

  it('with another digest of a version hears the right one', () => {
    const driven = leading({}, [other]).clear()
    driven.from(other, pulse({ held: { version: 0, stateDigest: digestOf(99) } }))
    assert.equal(driven.sent(other, 'version')[0].stateDigest, digestOf(0))
    driven.clear().from(other, pulse({ held: { version: 0, stateDigest: digestOf(0) } }))
    assert.deepEqual(driven.sent(other, 'version'), [])
  })
})

describe('A version that nobody can make', () => {
  const reason = 'theta would be Infinity at parameter 3'
  const farewell = {
    type: 'farewell',
    utilisation: 1,
    emulated: 0,
    bytesSent: {},
    interClusterBytes: 0,
  } as const

  /** A lone founder whose first contribution is ordered, up to the outer step. */
  function beforeOuterStep(changes: Record<string, unknown>): Driven {
    const driven = leading(changes)
    driven.event({ type: 'validated', version: 0, loss: 4 })
    driven.prompt = false
    driven.at = 1_000
    driven.clear()
    arrive(driven, founder)
    const [{ index }] = driven.entries().slice(-1)
    return driven.event({ type: 'appended', index })
  }

  it('ends the run as failed, with the reason, at the version before it', () => {
    const driven = beforeOuterStep({}).clear()
    driven.event({ type: 'outer-failed', version: 1, reason, lasting: true })
    const [finish] = driven.entries()
    assert.deepEqual(
      { ...finish, index: 0, term: 0 },
      { kind: 'finish', reason, ok: false, index: 0, term: 0 },
    )
    assert.equal(driven.openOf(founder), undefined)
    driven.event({ type: 'appended', index: finish.index }).from(founder, farewell)
    assert.deepEqual(driven.of('end'), [{ type: 'end', outcome: 'failed', reason }])
    assert.deepEqual(driven.of('checkpoint'), [{ type: 'checkpoint', version: 0, loss: 4 }])
    const summary = driven.of('report').map(({ report }) => report)
    assert.ok(summary.some((report) => report.type === 'run-finished' && report.versions === 0))
  })

  it('fails the run that would have ended with it', () => {
    const driven = beforeOuterStep({ stop: { versions: 1 } })
    driven.event({ type: 'outer-failed', version: 1, reason, lasting: true }).from(founder, farewell)
    assert.deepEqual(driven.of('end'), [{ type: 'end', outcome: 'failed', reason }])
  })

  it('is not one whose payload could not be had: that is tried again', () => {
    const driven = beforeOuterStep({}).clear()
    driven.event({ type: 'outer-failed', version: 1, reason: 'nobody holds its payload', lasting: false })
    assert.deepEqual(driven.entries(), [])
    driven.event({ type: 'timer', name: 'retry-apply' })
    assert.equal(driven.of('apply-outer').length, 1)
  })
})

describe('A leader', () => {
  it('that comes back gives work to members that wait for it, as they show themselves', () => {
    const driven = leading({ grace: 2 }, [other])
    driven.at = 1_000
    arrive(driven, other)
    const { replica } = driven.state
    assert.ok(replica !== null)
    const { ledger, log, digest, stateDigest } = replica
    const again = new Driven({
      ...setupOf(founder, { startPeers: 2, grace: 2 }),
      held: { ledger, log, digest, stateDigest },
    })
    again.at = 50_000
    again.event({ type: 'started', speed: 10, holding: null })
    assert.equal(again.openOf(other), undefined)
    again.clear().from(other, pulse({ phase: 'idle' }))
    assert.equal(again.openOf(other)?.base, 1)
  })

  it('writes what one event adds to the ledger at once', () => {
    const driven = leading({ grace: 2 }, [other, third])
    driven.at = 1_000
    for (const worker of [founder, other]) arrive(driven, worker)
    driven.clear()
    arrive(driven, third)
    assert.deepEqual(
      driven.of('append').map(({ entries }) => entries.length),
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
})
