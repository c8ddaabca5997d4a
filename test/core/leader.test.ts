// The leader's decisions, one at a time.
import assert from 'node:assert/strict'
import { type AssignmentId, assignmentId } from '../../src/core/ids.js'
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
  manifestFor,
  other,
  pulse,
  setupOf,
  third,
  voter,
} from './driven.js'

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
    assert.deepEqual(driven.kinds(), ['apply'])
    driven.at = 1_500
    arrive(driven, third)
    assert.equal(
      driven.of('set-timer').filter(({ name }) => name === 'grace').length,
      1,
      'a later arrival does not extend it',
    )
    assert.deepEqual(driven.kinds(), ['apply', 'apply'])
    assert.equal(driven.state.replica?.applied, 2)
  })

  it('gives all who arrived new rounds from the same version when it closes', () => {
    const driven = leading(grace, [other, third])
    driven.at = 1_000
    arrive(driven, other)
    arrive(driven, third)
    driven.at = 3_000
    driven.clear().timer('grace')
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
    assert.deepEqual(driven.kinds(), ['apply', 'assign', 'assign'])
    assert.equal(driven.lead.window, null)
    assert.ok(driven.of('cancel-timer').some(({ name }) => name === 'grace'))
  })

  it('waits for the outer step of what was applied before it assigns', () => {
    const driven = leading(grace)
    driven.at = 1_000
    driven.prompt = false
    driven.clear()
    arrive(driven, founder)
    driven.flush()
    assert.deepEqual(driven.kinds(), ['apply'])
    driven.event({ type: 'outer-applied', version: 1, digest: digestOf(1), stateDigest: digestOf(1) })
    assert.deepEqual(driven.kinds(), ['apply', 'assign'])
  })

  it('ends with its last waiting worker: the next arrival opens another', () => {
    const driven = leading(grace, [other, third])
    driven.at = 1_000
    arrive(driven, other)
    driven.from(other, { type: 'leave', reason: 'stopped by its user' })
    assert.equal(driven.lead.window, null)
    driven.timer('grace')
    driven.clear()
    arrive(driven, third)
    assert.deepEqual(driven.kinds(), ['apply'], 'the founder may still arrive')
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
    assert.deepEqual(driven.kinds(), ['apply'])
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
    assert.deepEqual(driven.kinds(), ['apply', 'finish'])
  })
})

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
    return driven.flush()
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
    driven.flush().from(founder, farewell)
    assert.deepEqual(driven.of('end'), [{ type: 'end', outcome: 'failed', reason }])
    assert.deepEqual(driven.of('checkpoint'), [{ type: 'checkpoint', version: 0, loss: 4 }])
    const summary = driven.of('report').map(({ report }) => report)
    assert.ok(summary.some((report) => report.type === 'run-finished' && report.versions === 0))
  })

  it('fails the run that would have ended with it', () => {
    const driven = beforeOuterStep({ stop: { versions: 1 } })
    driven.event({ type: 'outer-failed', version: 1, reason, lasting: true }).flush().from(founder, farewell)
    assert.deepEqual(driven.of('end'), [{ type: 'end', outcome: 'failed', reason }])
  })

  it('is not one whose payload could not be had: that is tried again', () => {
    const driven = beforeOuterStep({}).clear()
    driven.event({ type: 'outer-failed', version: 1, reason: 'nobody holds its payload', lasting: false })
    assert.deepEqual(driven.entries(), [])
    driven.timer('retry-apply')
    assert.equal(driven.of('apply-outer').length, 1)
  })
})

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
