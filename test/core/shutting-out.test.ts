// Shutting out: who may ask for it, what the ledger says then, and who hears of it.
import assert from 'node:assert/strict'
import type { PeerId } from '../../src/core/ids.js'
import { peerId } from '../../src/core/ids.js'
import { acknowledge, elected, founder, join, ledgerOf, other, third, voter } from './driven.js'
import { heartbeat, welcome } from './joined.js'

const three = [founder, other, third]
const late = peerId('id-late')
const later = peerId('id-later')
const ticket = peerId('id-ticket')
const reason = 'its key was stolen'
const shutOut = (who: PeerId) => ({ type: 'shut-out', who, reason }) as const

/** A leader of three voters, with two workers that came by one ticket. */
function led() {
  const driven = elected(three)
  const self = driven.state.setup.self.id
  const voters = three.filter((peer) => peer !== self)
  for (const peer of [late, later]) join(driven, peer, { through: { invitation: ticket, by: other } })
  acknowledge(driven, ...voters)
  driven.clear()
  return { driven, self, voter: voters.find((peer) => peer !== founder) ?? third, voters }
}

describe('A leader', () => {
  it('shuts out a peer for a voter: it is let go, revoked, and everybody is told', () => {
    const { driven, voter, voters } = led()
    driven.from(voter, shutOut(late))
    acknowledge(driven, ...voters)
    const kinds = driven.entries().filter((entry) => entry.kind === 'revoke' || entry.kind === 'evict')
    assert.deepEqual(
      kinds.map((entry) => (entry.kind === 'revoke' ? entry.who : entry.peer)),
      [late, late],
    )
    assert.deepEqual(driven.of('shut-out'), [{ type: 'shut-out', who: late }])
    const topics = driven
      .of('publish')
      .filter(
        ({ message }) => message.type === 'entries' && message.entries.some(({ kind }) => kind === 'revoke'),
      )
    assert.deepEqual(
      topics.map(({ topic }) => topic),
      [
        { kind: 'assignments', cluster: 'lake' },
        { kind: 'assignments', cluster: 'meadow' },
      ],
    )
    assert.equal(driven.lead.head.members[late].present, false)
    assert.equal(driven.lead.head.members[later].present, true)
    driven.clear()
    join(driven, late)
    assert.match(driven.sent(late, 'turned-away')[0].reason, /shut out of this run: its key was stolen/)
  })

  it('shuts out with an invitation all who came by it, and who comes by it later', () => {
    const { driven, voter, voters } = led()
    driven.from(voter, shutOut(ticket))
    acknowledge(driven, ...voters)
    assert.deepEqual(
      driven.of('shut-out').map(({ who }) => who),
      [ticket, late, later],
    )
    join(driven.clear(), peerId('id-new'), { name: 'new', through: { invitation: ticket, by: other } })
    assert.match(driven.sent(peerId('id-new'), 'turned-away')[0].reason, /its key was stolen/)
  })

  it('writes the same revocation once', () => {
    const { driven, voter } = led()
    driven.from(voter, shutOut(ticket)).clear().from(voter, shutOut(ticket))
    assert.deepEqual(driven.entries(), [])
  })

  it('shuts out nobody for a worker', () => {
    const { driven } = led()
    driven.from(later, shutOut(late))
    assert.deepEqual(driven.entries(), [])
    assert.deepEqual(driven.refused(), [{ what: 'shut-out', reason: 'it is no voter' }])
  })

  it('shuts out neither the founder nor itself', () => {
    const { driven, voter, self } = led()
    driven.from(voter, shutOut(founder)).from(voter, shutOut(self))
    assert.deepEqual(driven.entries(), [])
    assert.equal(driven.refused().length, 2)
  })

  it('welcomes a peer with who was shut out before it came', () => {
    const { driven, voter, voters } = led()
    driven.from(voter, shutOut(late))
    acknowledge(driven, ...voters)
    const newcomer = peerId('id-new')
    join(driven, newcomer, { name: 'new' })
    acknowledge(driven, ...voters)
    assert.deepEqual(driven.sent(newcomer, 'welcome')[0].revoked, [late])
  })
})

describe('A member', () => {
  it('asks its leader to shut out whom its user names', () => {
    const driven = voter(other, three).from(founder, heartbeat())
    driven.clear().event({ type: 'shut-out-requested', who: late, reason })
    assert.deepEqual(driven.sent(founder, 'shut-out'), [shutOut(late)])
  })

  it('keeps away whom the welcome names, and after a restart whom its ledger names', () => {
    const driven = voter(other, three).from(founder, welcome({ replica: true, revoked: [late] }))
    assert.deepEqual(driven.of('shut-out'), [{ type: 'shut-out', who: late }])
    const ledger = { ...ledgerOf(three), revoked: { [later]: reason } }
    const held = voter(other, three)
    const replica = held.state.replica ?? assert.fail('it is no replica')
    held.state = { ...held.state, replica: { ...replica, ledger } }
    held.clear().start()
    assert.deepEqual(held.of('shut-out'), [{ type: 'shut-out', who: later }])
  })
})
